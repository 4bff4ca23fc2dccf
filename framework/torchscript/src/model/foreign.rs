//! Files that are taken for TorchScript modules, told apart by how they begin and by names within them.

/// What the file is instead of a TorchScript module, and what to do; none where nothing is known of it.
///
/// `example` is an image in Python for the tracer.
pub(super) fn diagnosis(bytes: &[u8], example: &str) -> Option<String> {
    let trace = format!("torch.jit.trace(model.eval(), {example}).save(\"traced.pt\")");
    let has = |name: &[u8]| bytes.windows(name.len()).any(|window| window == name);
    if bytes.is_empty() {
        return Some("it is empty".to_owned());
    }
    if bytes.starts_with(b"version https://git-lfs") {
        return Some(
            "it is a pointer of Git LFS, not the file: fetch it by `git lfs pull`".to_owned(),
        );
    }
    let is_zip = bytes.starts_with(b"PK\x03\x04");
    // A TorchScript archive has constants beside its data; torch.save writes data alone.
    if is_zip && has(b"/archive_format") {
        return Some(format!("torch.export made it, and TorchScript is needed: {trace}"));
    }
    let is_pickle = matches!(bytes, [0x80, 2..=5, ..]);
    if is_pickle || is_zip && has(b"/data.pkl") && !has(b"/constants.pkl") {
        return Some(match has(b"_modules") && has(b"_parameters") {
            true => format!(
                "it is a pickled model (torch.save), which only the Python code that defines it can open: \
                 model = torch.load(\"FILE\", weights_only=False); {trace}"
            ),
            false => format!(
                "it holds weights without their network (a state dict, by torch.save): build the network in Python, \
                 then model.load_state_dict(torch.load(\"FILE\")); {trace}"
            ),
        });
    }
    let header = bytes.first_chunk().map_or(u64::MAX, |length| u64::from_le_bytes(*length));
    if bytes.get(8) == Some(&b'{') && header < bytes.len() as u64 {
        return Some(format!(
            "it holds weights without their network (safetensors): build the network in Python, \
             load them into it; {trace}"
        ));
    }
    bytes.starts_with(b"\x89HDF").then(|| {
        "it is a file of Keras (HDF5), and a PyTorch model as TorchScript is needed".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_other_kinds_are_told_by_how_they_begin() {
        let said = |bytes: &[u8]| diagnosis(bytes, "torch.zeros(1, 1, 2, 2)").unwrap_or_default();
        assert!(said(b"").contains("empty"));
        assert!(said(b"version https://git-lfs.github.com/spec/v1\n").contains("git lfs pull"));
        let safetensors = [&9_u64.to_le_bytes()[..], b"{\"a\": 12}"].concat();
        assert!(said(&safetensors).contains("safetensors"));
        assert!(said(b"PK\x03\x04 model/archive_format pt2").contains("torch.export"));
        assert!(said(b"\x89HDF\r\n").contains("Keras"));
        for unknown in [&b"PK\x03\x04 m/data.pkl m/constants.pkl"[..], b"hello", b"{\"a\": 12}"] {
            assert_eq!(said(unknown), "");
        }
    }
}
