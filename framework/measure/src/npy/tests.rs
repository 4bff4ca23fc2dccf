//! Files made by hand, byte by byte, and read back.

use proptest::prelude::*;

use super::*;

/// A file with the header text as it is.
fn raw(version: u8, header: &str, data: &[u8]) -> Vec<u8> {
    let mut file = vec![0x93, b'N', b'U', b'M', b'P', b'Y', version, 0];
    match version {
        1 => file.extend(u16::try_from(header.len()).unwrap().to_le_bytes()),
        _ => file.extend(u32::try_from(header.len()).unwrap().to_le_bytes()),
    }
    file.extend(header.as_bytes());
    file.extend(data);
    file
}

fn file(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}   \n");
    raw(1, &header, data)
}

/// All that the file holds, at most `ranks` of it.
fn read(file: &[u8], ranks: Option<usize>, classes: usize) -> Result<Vec<u16>> {
    let mut decoder = Decoder::default();
    let array = decoder.open(file, file.len() as u64)?;
    let content = array.header().content()?;
    let ranks = ranks.unwrap_or(content.ranks());
    let mut labels = vec![u16::MAX; content.images() * ranks];
    array.labels(ranks, classes, &mut labels)?;
    Ok(labels)
}

/// One value in the bytes of a dtype such as `>i4`, by another way than the reader's.
fn bytes_of(descr: &str, value: i64) -> Vec<u8> {
    let size: usize = descr[2..].parse().unwrap();
    let mut bytes: Vec<u8> =
        (0..size).map(|i| u8::try_from(value >> (8 * i) & 0xFF).unwrap()).collect();
    if descr.starts_with('>') {
        bytes.reverse();
    }
    bytes
}

const INTEGERS: [&str; 14] = [
    "|i1", "|u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", ">i2", ">u2", ">i4", ">u4", ">i8",
    ">u8",
];

#[test]
fn every_type_of_integer_is_read() {
    for descr in INTEGERS {
        let values: &[i64] = match descr {
            "|i1" => &[0, 1, 127, 5],
            "|u1" => &[0, 200, 255, 5],
            "<i2" | ">i2" => &[0, 258, 32_767, 5],
            _ => &[0, 258, 65_535, 5],
        };
        let data: Vec<u8> = values.iter().flat_map(|&v| bytes_of(descr, v)).collect();
        let expected: Vec<u16> = values.iter().map(|&v| u16::try_from(v).unwrap()).collect();
        assert_eq!(read(&file(descr, "(4,)", &data), None, 65_536).unwrap(), expected, "{descr}");
        assert_eq!(read(&file(descr, "(4, 1)", &data), None, 65_536).unwrap(), expected, "{descr}");
        assert_eq!(read(&file(descr, "(2, 2)", &data), None, 65_536).unwrap(), expected, "{descr}");
        let best = [expected[0], expected[2]];
        assert_eq!(read(&file(descr, "(2, 2)", &data), Some(1), 65_536).unwrap(), best, "{descr}");
    }
}

#[test]
fn labels_that_are_no_class_are_named_with_image_and_value() {
    for descr in INTEGERS {
        let data: Vec<u8> = [3, 9, 10, 4].iter().flat_map(|&v| bytes_of(descr, v)).collect();
        let error = read(&file(descr, "(4,)", &data), None, 10).unwrap_err().to_string();
        let expected = "label 10 of image 2 (rank 0) is none of the classes 0 to 9; correct it, or set `classes`";
        assert_eq!(error, expected, "{descr}");
        if descr.contains('i') {
            let data: Vec<u8> = [3, 9, 2, -1].iter().flat_map(|&v| bytes_of(descr, v)).collect();
            let error = read(&file(descr, "(2, 2)", &data), None, 10).unwrap_err().to_string();
            assert!(error.starts_with("label -1 of image 1 (rank 1)"), "{descr}: {error}");
        }
    }
    let large = u64::MAX.to_le_bytes();
    let error = read(&file("<u8", "(1,)", &large), None, 65_536).unwrap_err().to_string();
    assert!(error.contains("label 18446744073709551615 of image 0"), "{error}");
    // Its low 16 bits are a class.
    let error = read(&file("<i4", "(1,)", &65_540_i32.to_le_bytes()), None, 10).unwrap_err();
    assert!(error.to_string().contains("label 65540 of image 0"), "{error}");
}

#[test]
fn scores_are_ranked_and_ties_go_to_the_lower_class() {
    // In rows of 4: 2 > 0 = 3 > 1, and all equal, one of them -0.
    let rows = [[0.5, -1.0, 2.0, 0.5], [0.0, -0.0, 0.0, 0.0]];
    let f4: Vec<u8> = rows.iter().flatten().flat_map(|&v: &f32| v.to_be_bytes()).collect();
    let f8: Vec<u8> = rows.iter().flatten().flat_map(|&v| f64::from(v).to_le_bytes()).collect();
    // By hand: 0x3800 = 0.5, 0xBC00 = -1, 0x4000 = 2, 0x8000 = -0.
    let halves = [0x3800, 0xBC00, 0x4000, 0x3800, 0, 0x8000, 0, 0_u16];
    let f2: Vec<u8> = halves.iter().flat_map(|v| v.to_le_bytes()).collect();
    for (descr, data) in [(">f4", f4), ("<f8", f8), ("<f2", f2)] {
        let file = file(descr, "(2, 4)", &data);
        assert_eq!(read(&file, None, 4).unwrap(), [2, 0, 3, 1, 0, 1, 2, 3], "{descr}");
        assert_eq!(read(&file, Some(3), 4).unwrap(), [2, 0, 3, 0, 1, 2], "{descr}");
        assert_eq!(read(&file, Some(1), 4).unwrap(), [2, 0], "{descr}");
        let error = read(&file, Some(1), 3).unwrap_err().to_string();
        assert_eq!(error, "its rows have 4 scores, but there are 3 classes; set `classes`");
    }
    let infinite: Vec<u8> =
        [f32::NEG_INFINITY, f32::INFINITY].iter().flat_map(|v| v.to_le_bytes()).collect();
    assert_eq!(read(&file("<f4", "(1, 2)", &infinite), None, 2).unwrap(), [1, 0]);
    let nan: Vec<u8> = [1.0, 2.0, 3.0, f32::NAN].iter().flat_map(|v| v.to_le_bytes()).collect();
    let error = read(&file("<f4", "(2, 2)", &nan), Some(1), 2).unwrap_err().to_string();
    assert_eq!(
        error,
        "the score of class 1 for image 1 is NaN, which has no rank; ask the model again"
    );
}

#[test]
fn halves_are_what_the_standard_says() {
    let cases = [
        (0x0000, 0.0),
        (0x0001, 5.960_464_477_539_063e-8),
        (0x03FF, 6.097_555_160_522_461e-5),
        (0x0400, 6.103_515_625e-5),
        (0x3555, 0.333_251_953_125),
        (0x3C00, 1.0),
        (0xC000, -2.0),
        (0x7BFF, 65_504.0),
        (0x7C00, f64::INFINITY),
        (0xFC00, f64::NEG_INFINITY),
    ];
    for (bits, value) in cases {
        assert_eq!(decode::half(bits), value, "{bits:#06x}");
    }
    assert!(decode::half(0x7C01).is_nan() && decode::half(0x8000).is_sign_negative());
    // Among positive halves the order of the bits is that of the values.
    assert!((0..0x7BFF).all(|bits| decode::half(bits) < decode::half(bits + 1)));
}

#[test]
fn files_that_lie_are_refused_with_what_to_do() {
    let long = format!("{{'descr': '<i8', 'shape': ({}), }}", "(".repeat(60_000));
    let dictionary = |text: &str| raw(1, text, &[0; 8]);
    let structured =
        "{'descr': [('a', '<i4'), ('b', '<f4')], 'fortran_order': False, 'shape': (1,), }";
    let fortran = "{'descr': '<i4', 'fortran_order': True, 'shape': (2, 2), }";
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (vec![], "no .npy file: it starts with []"),
        (b"PK\x03\x04 an .npz archive".to_vec(), "no .npy file: it starts with [50, 4b, 03, 04"),
        (b"\x93NUMPY\x01".to_vec(), "no .npy file"),
        (b"\x93NUMPY\x04\x00\x10\x00".to_vec(), "version 4.0 of the .npy format is unknown"),
        (b"\x93NUMPY\x01\x00\x76".to_vec(), "its header claims 4 bytes, 1 are there"),
        (b"\x93NUMPY\x01\x00\x76\x00{'descr".to_vec(), "its header claims 118 bytes, 7 are there"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\xff{}".to_vec(), "claims 4294967295 bytes, 2 are there"),
        (
            file("<i8", "(1152921504606846976,)", &[0; 8]),
            "takes 9223372036854775808 bytes of data, 8 are there",
        ),
        (
            file("<i8", "(1152921504606846976, 1152921504606846976, 4294967296)", &[0; 8]),
            "takes more than 2^127 bytes of data, 8 are there",
        ),
        (file("<i8", "(99999999999999999999,)", &[0; 8]), "expected a size from 0 to 2^64 - 1"),
        (file("<i8", "(-1,)", &[0; 8]), "expected a size from 0 to 2^64 - 1, found `-1,)"),
        (
            file("<i8", "(2,)", &[0; 15]),
            "its shape (2,) takes 16 bytes of data, 15 are there: it is truncated",
        ),
        (file("<i8", "(2,)", &[0; 17]), "16 bytes of data, 17 are there"),
        (
            file("|O", "(1,)", b"\x80\x04K\x01."),
            "pickled Python objects (dtype object), which are never unpickled",
        ),
        (dictionary(structured), "several fields (a structured dtype)"),
        (file("<U3", "(1,)", &[0; 12]), "dtype `text` is neither an integer"),
        (file("|b1", "(1,)", &[0]), "dtype `|b1` is neither"),
        (file("<c8", "(1,)", &[0; 8]), "dtype `<c8` is neither"),
        (file("<f16", "(1, 1)", &[0; 16]), "dtype `<f16` is neither"),
        (file("<i3", "(1,)", &[0; 3]), "dtype `<i3` is neither"),
        (file("|i4", "(1,)", &[0; 4]), "dtype `|i4` is neither"),
        (file("<M8[ns]", "(1,)", &[0; 8]), "dtype `<M8[ns]` is neither"),
        (file("<i4", "()", &[0; 4]), "its shape is (): labels are of shape [images]"),
        (file("<i4", "(1, 1, 1)", &[0; 4]), "its shape is (1, 1, 1): labels are"),
        (file("<f4", "(1,)", &[0; 4]), "its shape is (1,): scores are of shape [images, classes]"),
        (file("<i4", "(0,)", &[]), "it is empty"),
        (file("|u1", "(1, 65537)", &[0; 65_537]), "more than 65536 columns"),
        (raw(1, fortran, &[0; 16]), "its columns come first (Fortran order)"),
        (file("<i8", "(1)", &[0; 8]), "expected `,`, found `)"),
        (dictionary("[1]"), "expected `{`, found `[1]`"),
        (dictionary("{}"), "expected the keys descr, fortran_order and shape, each once"),
        (dictionary("{'descr': '<i8', 'descr': '<i8', }"), "each once, found `descr`"),
        (dictionary("{'evil': 1}"), "each once, found `evil`"),
        (dictionary("{'shape': (1,), 'fortran_order': 0}"), "expected True or False, found `0}`"),
        (dictionary("{'descr': '<i8\\x41'"), "a quoted word without escapes"),
        (dictionary(&long), "expected a size"),
    ];
    for (bytes, expected) in cases {
        let error = read(&bytes, None, 10).unwrap_err().to_string();
        assert!(error.contains(expected), "{expected:?} is not in {error:?}");
        assert!(!error.contains("os error"), "{error}");
    }
}

#[test]
fn all_versions_of_the_format_and_both_kinds_of_quotes_are_read() {
    let header = r#"{"shape":(2L,1),"fortran_order":True,"descr":"<i4"}"#;
    let data: Vec<u8> = [7_i32, 8].iter().flat_map(|v| v.to_le_bytes()).collect();
    for version in [1, 2, 3] {
        assert_eq!(read(&raw(version, header, &data), None, 10).unwrap(), [7, 8]);
    }
}

#[test]
fn a_source_that_ends_early_or_drips_is_no_trouble() {
    struct Drip<'a>(&'a [u8]);
    impl io::Read for Drip<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let n = self.0.len().min(buffer.len()).min(7);
            buffer[..n].copy_from_slice(&self.0[..n]);
            self.0 = &self.0[n..];
            Ok(n)
        }
    }
    // Longer than the block, and rows that straddle its end.
    let images = 60_000;
    let labels: Vec<u16> = (0..images * 3).map(|i| u16::try_from(i % 1009).unwrap()).collect();
    let data: Vec<u8> = labels.iter().flat_map(|&v| u64::from(v).to_be_bytes()).collect();
    let file = file(">u8", &format!("({images}, 3)"), &data);
    let mut decoder = Decoder::default();
    let mut out = vec![0; labels.len()];
    let array = decoder.open(Drip(&file), file.len() as u64).unwrap();
    array.labels(3, 1009, &mut out).unwrap();
    assert!(out == labels);
    let short = &file[..file.len() - 1];
    let array = decoder.open(Drip(short), file.len() as u64).unwrap();
    let error = array.labels(3, 1009, &mut out).unwrap_err().to_string();
    assert!(error.contains("takes 1440000 bytes of data, 1439999 are there"), "{error}");
    // The error is named with the image in the file, not in the block.
    let mut wrong = file.clone();
    let last = wrong.len() - 1;
    wrong[last - 1] = 0xFF;
    let error = decoder.open(Drip(&wrong), file.len() as u64).unwrap();
    let error = error.labels(3, 1009, &mut out).unwrap_err().to_string();
    assert!(error.contains("of image 59999 (rank 2)"), "{error}");
}

#[test]
fn rows_longer_than_the_block_are_read() {
    let classes = 65_536;
    let mut scores = vec![0.0_f64; 2 * classes];
    scores[40_000] = 1.0;
    scores[classes + 65_535] = 1.0;
    scores[classes + 1] = 0.5;
    let data: Vec<u8> = scores.iter().flat_map(|v| v.to_le_bytes()).collect();
    let file = file("<f8", "(2, 65536)", &data);
    assert_eq!(read(&file, Some(2), classes).unwrap(), [40_000, 0, 65_535, 1]);
}

#[test]
fn other_lengths_than_the_callers_are_refused() {
    let bytes = file("|u1", "(2, 2)", &[1, 2, 3, 4]);
    let mut decoder = Decoder::default();
    let mut labels = |ranks, length: usize| {
        let array = decoder.open(&bytes[..], bytes.len() as u64).unwrap();
        array.labels(ranks, 10, &mut vec![0; length]).unwrap_err().to_string()
    };
    assert_eq!(labels(3, 6), "top-3 labels are wanted, it has top-2");
    assert!(labels(2, 6).contains("its shape is (2, 2): other images than the ground truth has"));
    assert!(labels(0, 0).contains("top-0"));
}

#[test]
fn what_is_written_starts_with_numpys_own_bytes() {
    // numpy.save of numpy.array([1, 258], '<u2'), numpy 2.
    let mut expected = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
    expected.extend(b"{'descr': '<u2', 'fortran_order': False, 'shape': (2,), }");
    expected.resize(127, b' ');
    expected.extend(b"\n\x01\x00\x02\x01");
    assert_eq!(to_bytes(&[1, 258], 1), expected);
    let two = to_bytes(&[1, 2, 3, 4], 2);
    assert_eq!(Header::parse(&two).unwrap().shape, [2, 2]);
    assert_eq!(Header::parse(&two).unwrap().offset % 64, 0);
}

proptest! {
    #[test]
    fn random_labels_of_any_type_read_back(
        rows in 1_usize..40,
        ranks in 1_usize..4,
        descr in prop::sample::select(&INTEGERS[..]),
        version in 1_u8..4,
        seed in any::<u64>(),
    ) {
        let limit = if descr.ends_with('1') { 127 } else { 32_767 };
        let mut state = seed;
        let values: Vec<i64> = (0..rows * ranks)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                i64::try_from(state >> 40).unwrap() % limit
            })
            .collect();
        let data: Vec<u8> = values.iter().flat_map(|&v| bytes_of(descr, v)).collect();
        let header =
            format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({rows}, {ranks}), }}");
        let labels = read(&raw(version, &header, &data), None, 65_536).unwrap();
        prop_assert!(labels.iter().map(|&label| i64::from(label)).eq(values.iter().copied()));
        let again = read(&to_bytes(&labels, ranks), None, 65_536).unwrap();
        prop_assert_eq!(again, labels);
    }

    /// A second reader: npyz.
    #[test]
    fn headers_mean_what_another_library_says(
        shape in prop::collection::vec(0_u64..50, 0..4),
        descr in prop::sample::select(vec!["<i8", ">u2", "|u1", "<f2", ">f8", "<U7", "|S3"]),
        fortran in any::<bool>(),
        spaces in 0_usize..4,
    ) {
        let python = python(&shape);
        let space = " ".repeat(spaces);
        let order = if fortran { "True" } else { "False" };
        let header = format!(
            "{{{space}'shape':{space}{python}, 'descr':{space}'{descr}','fortran_order': {order}{space}}}{space}\n"
        );
        let file = raw(1, &header, &[]);
        let theirs = npyz::NpyHeader::from_reader(&file[..]).unwrap();
        let ours = Header::parse(&file).unwrap();
        prop_assert_eq!(theirs.shape(), &ours.shape[..]);
        prop_assert_eq!(theirs.order() == npyz::Order::Fortran, ours.fortran_order);
        prop_assert_eq!(theirs.dtype().num_bytes(), Some(ours.element.bytes));
        prop_assert_eq!(ours.offset, file.len());
    }

    #[test]
    fn ranking_agrees_with_a_stable_sort(
        scores in prop::collection::vec(prop::sample::select(vec![0.0_f32, 0.25, 0.5, -1.0]), 1..40),
        wanted in 1_usize..40,
    ) {
        let wanted = wanted.min(scores.len());
        let mut order: Vec<u16> = (0..u16::try_from(scores.len()).unwrap()).collect();
        order.sort_by(|&a, &b| scores[usize::from(b)].total_cmp(&scores[usize::from(a)]));
        let data: Vec<u8> = scores.iter().flat_map(|v| v.to_le_bytes()).collect();
        let file = file("<f4", &format!("(1, {})", scores.len()), &data);
        prop_assert_eq!(&read(&file, Some(wanted), 40).unwrap(), &order[..wanted]);
    }
}
