//! Which image gets which label, and who gets which image.

use super::*;

#[test]
fn folders_are_classes_in_the_order_of_their_names() {
    let folder = Folder::of_classes();
    // Nested folders belong to the class, hidden files and files beside the classes to nobody.
    folder.write("b/more/x.png", flat(100));
    folder.write("b/.hidden.png", "no image");
    folder.write(".cache/x.png", "no image");
    folder.write("README.md", "no image");
    let split = folder.load(json!({})).unwrap();
    assert_eq!(split.classes, ["a", "b", "c"]);
    let mut levels = levels(&split);
    levels.sort_unstable();
    let mut expected: Vec<(u8, u16)> = (0..12).map(|i| (i, u16::from(i / 4))).collect();
    expected.push((100, 1));
    assert_eq!(levels, expected);
}

#[test]
fn names_of_classes_fix_their_numbers_whatever_the_folders() {
    let folder = Folder::of_classes();
    let split = folder.load(json!({ "classes": ["c", "none", "a", "b"] })).unwrap();
    assert_eq!(split.classes, ["c", "none", "a", "b"]);
    assert_eq!(split.pool.classes, 4);
    for (level, label) in levels(&split) {
        assert_eq!(label, [2, 3, 0][usize::from(level) / 4]);
    }
}

#[test]
fn a_list_labels_by_number_or_by_name() {
    let folder = Folder::new();
    for i in 0..4 {
        folder.write(&format!("pictures/{i}.png"), flat(i));
    }
    let set =
        |classes: Value| json!({ "labels": "l.csv", "images": "pictures", "classes": classes });
    let load = |list: &str, classes: Value| {
        folder.write("l.csv", list);
        let split = folder.load(set(classes)).unwrap();
        let mut levels = levels(&split);
        levels.sort_unstable();
        (split.classes, levels)
    };
    let numbers = "file,label\n3.png,7\n1.png, 0\n2.png,9\n";
    let (classes, levels) = load(numbers, Value::Null);
    assert_eq!((classes.len(), &levels[..]), (10, &[(1, 0), (2, 9), (3, 7)][..]));
    let (classes, _) = load(numbers, json!(1000));
    assert_eq!((classes.len(), &*classes[999]), (1000, "999"));
    // Windows' line ends and byte order mark, columns in the other order, a name in quotes.
    let names = "\u{feff}label,file\r\n\"cat, tabby\",0.png\r\ndog,3.png\r\n";
    let (classes, levels) = load(names, json!(["dog", "cat, tabby"]));
    assert_eq!((classes, levels), (vec!["dog".into(), "cat, tabby".into()], vec![(0, 1), (3, 0)]));
    // Names that look like numbers are names.
    let (_, levels) = load("file,label\n0.png,1\n1.png,0\n", json!(["1", "0"]));
    assert_eq!(levels, [(0, 0), (1, 1)]);
    let (_, levels) = load("file,label\n0.png,1\n1.png,0\n", json!(["cat", "dog"]));
    assert_eq!(levels, [(0, 1), (1, 0)]);
}

#[test]
fn the_pool_is_half_and_the_rest_is_the_thiefs() {
    let folder = Folder::of_classes();
    let load = |pool| folder.source(json!({})).unwrap().load(&ImageRequest::of(pool)).unwrap();
    let (half, three, all) = (load(None), load(Some(3)), load(Some(12)));
    assert_eq!((half.pool.len(), half.thief.as_ref().unwrap().len()), (6, 6));
    assert_eq!((three.pool.len(), three.thief.as_ref().unwrap().len()), (3, 9));
    assert!(all.thief.as_ref().unwrap().is_empty());
    // One order for all, of all images.
    assert_eq!(levels(&half), levels(&three));
    assert_eq!(levels(&half), levels(&all));
    let mut sorted = levels(&all);
    sorted.sort_unstable();
    assert_eq!(
        sorted.iter().map(|(level, _)| *level).collect::<Vec<_>>(),
        (0..12).collect::<Vec<_>>()
    );
    // What the thief has depends on the pool, so the digest does.
    assert_ne!(half.digest, three.digest);
}

#[test]
fn the_rule_of_the_split_stays_what_it_was() {
    let split = Folder::of_classes().load(json!({})).unwrap();
    let order: Vec<u8> = levels(&split).iter().map(|(level, _)| *level).collect();
    assert_eq!(order, [11, 2, 7, 6, 9, 3, 8, 1, 4, 10, 0, 5]);
}

#[test]
fn neither_the_order_of_a_list_nor_where_it_lies_matters() {
    let folder = Folder::new();
    for i in 0..6 {
        folder.write(&format!("{i}.png"), flat(i));
    }
    let load = |list: &str| {
        folder.write("l.csv", format!("file,label\n{list}"));
        let split = folder.load(json!({ "labels": "l.csv" })).unwrap();
        (levels(&split), split.digest)
    };
    let one = load("0.png,0\n1.png,1\n2.png,0\n3.png,1\n");
    assert_eq!(load("3.png,1\n2.png,0\n0.png,0\n1.png,1\n"), one);
    // Another label, another image: another digest.
    assert_ne!(load("3.png,1\n2.png,1\n0.png,0\n1.png,1\n").1, one.1);
    assert_ne!(load("4.png,1\n2.png,0\n0.png,0\n1.png,1\n").1, one.1);
}

#[test]
fn a_limit_takes_the_first_of_the_order_and_reads_no_other() {
    let folder = Folder::of_classes();
    let all = levels(&folder.load(json!({})).unwrap());
    let last = all[11].0;
    folder.write(&format!("{}/{last}.png", ["a", "b", "c"][usize::from(last) / 4]), "no image");
    let some = folder.load(json!({ "limit": 8 })).unwrap();
    assert_eq!(levels(&some), all[..8]);
    assert_eq!(some.pool.len(), 4);
}

#[test]
fn sizes_are_a_square_or_a_pair() {
    let folder = Folder::new();
    // The left half black, the right half white.
    let rows: Vec<u8> = (0..40).map(|i| if i % 10 < 5 { 0 } else { 255 }).collect();
    folder.write("a/x.png", png(4, 10, &rows));
    let image = |size: Value| {
        let images = folder.load(json!({ "size": size })).unwrap().pool.images.unwrap();
        (images.shape(), images.as_bytes().to_vec())
    };
    let (shape, centre) = image(json!(4));
    assert_eq!((shape.height, shape.width), (4, 4));
    assert_eq!(centre, [0, 0, 255, 255].repeat(4));
    let (shape, whole) = image(json!([2, 10]));
    assert_eq!((shape.height, shape.width), (2, 10));
    assert_eq!(whole, rows[..20]);
}

#[test]
fn an_image_of_one_pixel_fills_the_square() {
    let folder = Folder::new();
    folder.write("a/dot.png", png(1, 1, &[10, 200, 90]));
    let images = folder.load(json!({ "channels": 3 })).unwrap().pool.images.unwrap();
    let expected: Vec<u8> = [10, 200, 90].iter().flat_map(|&level| [level; 16]).collect();
    assert_eq!(images.as_bytes(), expected);
}

#[test]
fn results_do_not_depend_on_threads() {
    let folder = Folder::new();
    // Large enough for libtorch to share the work out.
    let noise = |seed: u32| -> Vec<u8> {
        (0..300 * 400_u32)
            .map(|i| (i ^ seed).wrapping_mul(2_654_435_761).to_be_bytes()[0])
            .collect()
    };
    for i in 0..5 {
        folder.write(&format!("a/{i}.png"), png(300, 400, &noise(i)));
    }
    let images = |threads: usize| {
        tch::set_num_threads(i32::try_from(threads).unwrap());
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| folder.load(json!({ "size": 250 })).unwrap().pool.images.unwrap())
    };
    assert_eq!(images(1), images(4));
}
