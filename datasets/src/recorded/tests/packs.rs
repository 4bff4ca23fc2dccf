//! The second load is the first one again, whatever happened to files and pack.

use super::*;

type Told = Vec<(String, Vec<u16>)>;

fn load(folder: &Folder) -> Told {
    let collection = folder.fbi().unwrap();
    let recorded = collection.recorded(folder.scratch()).unwrap().unwrap();
    told(&collection, &recorded)
}

/// The packs in the scratch folder; each load has waited for its own.
fn packs(folder: &Folder) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder.scratch().join("recorded")) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// A folder that was packed, and its pack.
fn packed() -> (Folder, Told, PathBuf) {
    let folder = Folder::good();
    folder.age(60);
    let first = load(&folder);
    let [pack] = &packs(&folder)[..] else { panic!("no pack") };
    let pack = pack.clone();
    assert_eq!(pack.extension().unwrap(), "packed");
    (folder, first, pack)
}

/// Overwrites labels in place behind the pack's back: same size, time and inode.
fn forge(folder: &Folder) {
    let path = folder.file("HALF-net_a.npy");
    let before = path.metadata().unwrap().modified().unwrap();
    folder.labels("HALF-net_a.npy", &[3; IMAGES]);
    fs::File::options().write(true).open(&path).unwrap().set_modified(before).unwrap();
}

#[test]
fn the_second_load_is_the_pack_and_equal() {
    let (folder, first, _) = packed();
    assert_eq!(load(&folder), first);
    // Only a pack can still tell what the file said before.
    forge(&folder);
    assert_eq!(load(&folder), first);
}

#[test]
fn a_file_touched_replaced_added_or_removed_is_read_again() {
    let changes: [fn(&Folder); 3] = [
        |f| age(&f.file("HALF-net_a.npy"), 30),
        |f| {
            let path = f.file("HALF-net_a.npy");
            let before = path.metadata().unwrap().modified().unwrap();
            fs::copy(&path, f.file("copy")).unwrap();
            fs::rename(f.file("copy"), &path).unwrap();
            fs::File::options().write(true).open(&path).unwrap().set_modified(before).unwrap();
        },
        |f| fs::remove_file(f.file("net_b.npy")).unwrap(),
    ];
    for change in changes {
        let (folder, _, _) = packed();
        forge(&folder);
        change(&folder);
        assert_eq!(load(&folder)[1].1, [3; IMAGES]);
        assert_eq!(load(&folder)[1].1, [3; IMAGES], "and packed anew");
    }
}

#[test]
fn other_parameters_are_another_pack() {
    let (folder, first, _) = packed();
    let collection = folder.configure(r#"{"layout": "fbi", "classes": 10}"#).unwrap();
    let recorded = collection.recorded(folder.scratch()).unwrap().unwrap();
    assert_eq!(recorded[0].answers.as_slice(), first[0].1);
    drop(collection);
    assert_eq!(packs(&folder).len(), 2);
}

#[test]
fn a_file_changed_just_before_it_is_read_is_not_packed() {
    let folder = Folder::good();
    folder.age(60);
    age(&folder.file("net_b.npy"), 0);
    let first = load(&folder);
    assert_eq!(packs(&folder), [] as [PathBuf; 0]);
    folder.age(5);
    assert_eq!(load(&folder), first);
    assert_eq!(packs(&folder).len(), 1);
}

#[test]
fn a_damaged_pack_is_written_anew_without_a_word() {
    let (folder, first, pack) = packed();
    let good = fs::read(&pack).unwrap();
    let models = first.len();
    // Head, one record a model, checksum; then the labels of the first and the last model.
    let header = 80 + 56 * models + 32;
    let start = header.next_multiple_of(64);
    let row = 2 * IMAGES;
    assert_eq!(good.len(), start + models * row);
    let sampled = (start..start + row).chain(good.len() - row..good.len());
    for place in (0..header).chain(sampled) {
        let mut damaged = good.clone();
        damaged[place] ^= 0x40;
        fs::write(&pack, damaged).unwrap();
        assert_eq!(load(&folder), first, "byte {place}");
        if place % 50 == 0 {
            assert!(fs::read(&pack).unwrap() == good, "byte {place} was not repaired");
        }
    }
    for length in [0, 1, 79, 80, header - 1, header, start, good.len() - 1] {
        fs::write(&pack, &good[..length]).unwrap();
        assert_eq!(load(&folder), first, "{length} bytes");
        assert!(fs::read(&pack).unwrap() == good, "{length} bytes were not repaired");
    }
    fs::write(&pack, [&good[..], b"x"].concat()).unwrap();
    assert_eq!(load(&folder), first);
}

#[test]
fn a_scratch_folder_that_cannot_be_written_is_no_error() {
    let folder = Folder::good();
    folder.age(60);
    let no_folder = folder.file("net_a.npy").join("scratch");
    let collection = folder.fbi().unwrap();
    let recorded = collection.recorded(&no_folder).unwrap().unwrap();
    assert_eq!(recorded.len(), 5);
    // Neither is one in which the pack's name is taken.
    let collection = folder.fbi().unwrap();
    fs::create_dir_all(pack::path(folder.scratch(), &collection.recipe)).unwrap();
    assert_eq!(collection.recorded(folder.scratch()).unwrap().unwrap().len(), 5);
    drop(collection);
    assert_eq!(packs(&folder).len(), 1, "nothing half-written stays");
}
