//! The second load is the first one again, whatever happened to files and pack.

use super::*;

type Told = (Vec<(u8, u16)>, String, Vec<String>);

fn load(folder: &Folder) -> Told {
    told(&folder.packed(ImageRequest { skip_bad_images: true, ..ImageRequest::default() }).unwrap())
}

fn told(split: &Split) -> Told {
    (levels(split), split.digest.clone(), split.left_out.clone())
}

fn packs(folder: &Folder) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder.scratch.path().join("images")) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// A folder with a damaged file that was packed, what it said, and its pack.
fn packed() -> (Folder, Told, PathBuf) {
    let folder = Folder::of_classes();
    folder.write("b/broken.png", "no image");
    folder.age();
    let first = load(&folder);
    let [pack] = &packs(&folder)[..] else { panic!("no pack") };
    let pack = pack.clone();
    (folder, first, pack)
}

/// Overwrites an image in place behind the pack's back: same size, time and inode.
fn forge(folder: &Folder) {
    let path = folder.file("a/1.png");
    let before = path.metadata().unwrap().modified().unwrap();
    let (old, new) = (fs::read(&path).unwrap(), flat(200));
    assert_eq!(old.len(), new.len());
    fs::write(&path, new).unwrap();
    set_modified(&path, before);
}

#[test]
fn the_second_load_is_the_pack_and_equal() {
    let (folder, first, _) = packed();
    assert_eq!(
        first.2,
        ["1 of 13 images was left out: `b/broken.png` (it is no JPEG, PNG or WebP)"]
    );
    let unpacked = folder.skipping(json!({})).unwrap();
    assert_eq!(told(&unpacked), first);
    assert_eq!(load(&folder), first);
    // Only a pack can still tell what the file said before.
    forge(&folder);
    assert_eq!(load(&folder), first);
}

#[test]
fn a_pack_serves_every_pool_and_refuses_what_the_files_would() {
    let (folder, first, _) = packed();
    forge(&folder);
    let request = ImageRequest { skip_bad_images: true, ..ImageRequest::of(Some(2)) };
    let split = folder.packed(request).unwrap();
    assert_eq!((split.pool.len(), levels(&split)), (2, first.0));
    let error = folder.packed(ImageRequest::default()).unwrap_err().to_string();
    assert!(error.contains("1 of 13 images can't be used: `b/broken.png`"), "{error}");
}

#[test]
fn a_file_touched_replaced_added_or_removed_is_decoded_again() {
    let changes: [fn(&Folder); 4] = [
        |f| age(&f.file("a/0.png"), 30),
        |f| {
            fs::copy(f.file("a/0.png"), f.file("copy")).unwrap();
            fs::rename(f.file("copy"), f.file("a/0.png")).unwrap();
            f.age();
        },
        |f| f.write("a/new.png", flat(77)),
        |f| fs::remove_file(f.file("c/9.png")).unwrap(),
    ];
    for change in changes {
        let (folder, first, _) = packed();
        forge(&folder);
        change(&folder);
        assert_ne!(load(&folder).1, first.1);
    }
}

#[test]
fn a_damaged_pack_is_made_anew() {
    let (folder, first, pack) = packed();
    let good = fs::read(&pack).unwrap();
    let length = good.len();
    // Mark, length and digest of the index, the index, the first and the last image.
    for place in [0, 16, 30, 60, length - 12 * 16, length - 1] {
        let mut bad = good.clone();
        bad[place] ^= 1;
        fs::write(&pack, bad).unwrap();
        assert_eq!(load(&folder), first, "{place}");
        assert_eq!(fs::read(&pack).unwrap(), good, "{place}");
    }
    for shorter in [0, 10, 57, length - 16] {
        fs::write(&pack, &good[..shorter]).unwrap();
        assert_eq!(load(&folder), first, "{shorter}");
    }
    assert_eq!(packs(&folder).len(), 1);
}

#[test]
fn what_changed_just_now_is_not_packed() {
    let folder = Folder::of_classes();
    let first = load(&folder);
    assert!(packs(&folder).is_empty());
    folder.age();
    assert_eq!(load(&folder), first);
    assert_eq!(packs(&folder).len(), 1);
}

#[test]
fn other_sizes_have_packs_of_their_own() {
    let (folder, first, _) = packed();
    let source = folder.source(json!({ "size": 3 })).unwrap();
    let request =
        ImageRequest { scratch: Some(folder.scratch.path()), skip_bad_images: true, pool: None };
    assert_ne!(source.load(&request).unwrap().digest, first.1);
    assert_eq!(packs(&folder).len(), 2);
    assert_eq!(load(&folder), first);
}

#[test]
fn a_folder_that_cannot_be_written_harms_nobody() {
    let (folder, first, _) = packed();
    let file = folder.scratch.path().join("a file");
    fs::write(&file, "").unwrap();
    let source = folder.source(json!({})).unwrap();
    let request = ImageRequest { scratch: Some(&file), skip_bad_images: true, pool: None };
    assert_eq!(told(&source.load(&request).unwrap()), first);
}
