//! The head of an ELF file, read before the dynamic linker sees it: that of a truncated file would crash the program.

/// Bytes of an ELF64 header.
const HEADER: usize = 64;

/// Shared object.
const ET_DYN: u16 = 3;

/// Loadable segment.
const PT_LOAD: u32 = 1;

/// Refuses what is no whole shared library for this processor.
pub(super) fn check(bytes: &[u8]) -> Result<(), String> {
    if !bytes.starts_with(b"\x7fELF") {
        return Err("it is no shared library (ELF file)".to_owned());
    }
    let cut = || "it is cut short".to_owned();
    if bytes.len() < HEADER {
        return Err(cut());
    }
    let (class, order) = (bytes[4], bytes[5]);
    let machine = number(bytes, 18, 2).ok_or_else(cut)?;
    if (class, order) != (2, 1) || own_machine().is_some_and(|own| own != machine) {
        return Err(format!(
            "it is built for {}, this program for {}",
            machine_name(class, machine),
            std::env::consts::ARCH
        ));
    }
    if number(bytes, 16, 2) != Some(u64::from(ET_DYN)) {
        return Err(
            "it is an ELF file, but no shared library: build the crate as a `cdylib`".into()
        );
    }
    match is_whole(bytes) {
        Some(true) => Ok(()),
        _ => Err(cut()),
    }
}

/// Whether all that the tables of the file point to is there.
fn is_whole(bytes: &[u8]) -> Option<bool> {
    let field = |at: usize, size: usize| number(bytes, at, size);
    let length = bytes.len() as u64;
    let sections = field(40, 8)?.checked_add(field(58, 2)? * field(60, 2)?)?;
    if sections > length {
        return Some(false);
    }
    let (table, size, count) = (field(32, 8)?, field(54, 2)?, field(56, 2)?);
    for index in 0..count {
        let header = usize::try_from(table.checked_add(index * size)?).ok()?;
        let of_segment = |at: usize, size: usize| number(bytes, header.checked_add(at)?, size);
        if of_segment(0, 4)? == u64::from(PT_LOAD)
            && of_segment(8, 8)?.checked_add(of_segment(32, 8)?)? > length
        {
            return Some(false);
        }
    }
    Some(true)
}

/// An unsigned little-endian number of `size` bytes.
fn number(bytes: &[u8], at: usize, size: usize) -> Option<u64> {
    let field = bytes.get(at..at.checked_add(size)?)?;
    Some(field.iter().rev().fold(0, |all, &byte| all << 8 | u64::from(byte)))
}

/// This processor's number in an ELF header; none where it is not known here.
fn own_machine() -> Option<u64> {
    match std::env::consts::ARCH {
        "x86_64" => Some(62),
        "aarch64" => Some(183),
        "riscv64" => Some(243),
        _ => None,
    }
}

fn machine_name(class: u8, machine: u64) -> String {
    match (class, machine) {
        (_, 3) => "32-bit x86".to_owned(),
        (_, 40) => "32-bit ARM".to_owned(),
        (_, 62) => "x86_64".to_owned(),
        (_, 183) => "aarch64".to_owned(),
        (1, _) => format!("a 32-bit processor (ELF machine {machine})"),
        _ => format!("another processor (ELF machine {machine})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A library of one loadable segment, all of the file, and no section.
    fn library() -> Vec<u8> {
        let mut bytes = vec![0; 200];
        bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
        bytes[16] = 3;
        bytes[18] = u8::try_from(own_machine().unwrap_or(62)).unwrap();
        bytes[32] = 64; // program headers follow the header
        bytes[54] = 56;
        bytes[56] = 1;
        bytes[64] = 1; // PT_LOAD
        bytes[64 + 32] = 200; // bytes of it in the file
        bytes
    }

    #[test]
    fn a_whole_library_passes_and_every_cut_of_it_is_noticed() {
        let whole = library();
        assert_eq!(check(&whole), Ok(()));
        for length in 0..whole.len() {
            assert!(check(&whole[..length]).is_err(), "cut at {length}");
        }
        assert_eq!(check(&whole[..150]), Err("it is cut short".to_owned()));
    }

    #[test]
    fn other_files_and_processors_are_named() {
        assert!(check(b"MZ").unwrap_err().contains("no shared library"));
        let mut other = library();
        other[18] = 40;
        assert!(check(&other).unwrap_err().starts_with("it is built for 32-bit ARM"));
        let mut program = library();
        program[16] = 2;
        assert!(check(&program).unwrap_err().contains("`cdylib`"));
    }

    #[test]
    fn absurd_offsets_are_cuts() {
        let mut bytes = library();
        bytes[32..40].fill(0xff);
        assert_eq!(check(&bytes), Err("it is cut short".to_owned()));
        let mut bytes = library();
        bytes[40..48].fill(0xff);
        bytes[60] = 1;
        bytes[58] = 64;
        assert_eq!(check(&bytes), Err("it is cut short".to_owned()));
    }
}
