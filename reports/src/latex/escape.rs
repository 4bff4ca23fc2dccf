//! Text as LaTeX that shows exactly it, whatever the fonts.

use std::fmt::Write as _;

use crate::text::visible;

/// Longer words may be broken after a sign, and every so many characters.
const LONG_WORD: usize = 24;
const STRETCH: usize = 12;

/// Most characters of a line of a head.
const HEAD: usize = 14;

/// Letters with accents that LaTeX puts on a plain letter: accent, letters, plain letters.
const ACCENTED: [(&str, &str, &str); 11] = [
    ("`", "ÀÈÌÒÙàèìòù", "AEIOUaeiou"),
    ("'", "ÁÉÍÓÚÝáéíóúýĆćĹĺŃńŔŕŚśŹź", "AEIOUYaeiouyCcLlNnRrSsZz"),
    ("^", "ÂÊÎÔÛâêîôûĈĉĜĝĤĥĴĵŜŝŴŵŶŷ", "AEIOUaeiouCcGgHhJjSsWwYy"),
    ("~", "ÃÑÕãñõĨĩŨũ", "ANOanoIiUu"),
    ("\"", "ÄËÏÖÜäëïöüÿŸ", "AEIOUaeiouyY"),
    ("r", "ÅåŮů", "AaUu"),
    ("c", "ÇçŞşŢţ", "CcSsTt"),
    ("v", "ČčĎďĚěŇňŘřŠšŤťŽž", "CcDdEeNnRrSsTtZz"),
    ("=", "ĀāĒēĪīŌōŪū", "AaEeIiOoUu"),
    ("u", "ĂăĔĕĞğĬĭŎŏŬŭ", "AaEeGgIiOoUu"),
    ("H", "ŐőŰű", "OoUu"),
];

/// Letters and signs that have a command of their own.
const COMMANDS: [(char, &str); 48] = [
    // At the start of a row or an item it would begin an option.
    ('[', "{[}"),
    ('\\', "\\textbackslash{}"),
    ('{', "\\{"),
    ('}', "\\}"),
    ('$', "\\$"),
    ('&', "\\&"),
    ('#', "\\#"),
    ('%', "\\%"),
    ('_', "\\_"),
    ('^', "\\^{}"),
    ('~', "\\~{}"),
    ('<', "\\textless{}"),
    ('>', "\\textgreater{}"),
    ('|', "\\textbar{}"),
    ('"', "{''}"),
    ('`', "\\`{}"),
    ('\u{a0}', "~"),
    ('ß', "\\ss{}"),
    ('æ', "\\ae{}"),
    ('Æ', "\\AE{}"),
    ('œ', "\\oe{}"),
    ('Œ', "\\OE{}"),
    ('ø', "\\o{}"),
    ('Ø', "\\O{}"),
    ('ł', "\\l{}"),
    ('Ł', "\\L{}"),
    ('–', "--"),
    ('—', "---"),
    ('‘', "`"),
    ('’', "'"),
    ('“', "``"),
    ('”', "''"),
    ('…', "\\dots{}"),
    ('−', "$-$"),
    ('±', "$\\pm$"),
    ('×', "$\\times$"),
    ('·', "$\\cdot$"),
    ('≤', "$\\leq$"),
    ('≥', "$\\geq$"),
    ('≈', "$\\approx$"),
    ('†', "$\\dagger$"),
    ('‡', "$\\ddagger$"),
    ('α', "$\\alpha$"),
    ('ε', "$\\varepsilon$"),
    ('κ', "$\\kappa$"),
    ('μ', "$\\mu$"),
    ('σ', "$\\sigma$"),
    ('τ', "$\\tau$"),
];

/// Text on one line as ASCII that pdflatex sets with its oldest fonts; what these lack shows as `U+05D0`.
pub(super) fn escaped(text: &str) -> String {
    let text = visible(text);
    let words = text.split(' ').map(word).collect::<Vec<String>>();
    words.join(" ")
}

fn word(word: &str) -> String {
    let long = word.chars().count() > LONG_WORD;
    let mut out = String::new();
    let mut last = ' ';
    for (place, c) in word.chars().enumerate() {
        // Neighbours that fonts join: --, ,, and the like.
        if c == last && matches!(c, '-' | ',' | '\'') {
            out.push_str("{}");
        }
        match command(c) {
            Some(command) => out.push_str(&command),
            None if c == ' ' || c.is_ascii_graphic() => out.push(c),
            None => {
                let _ = write!(out, "\\texttt{{U+{:04X}}}\\allowbreak{{}}", u32::from(c));
            }
        }
        let sign = matches!(c, '/' | '_' | '-' | '.' | ',' | ':' | '=' | '|');
        if long && (sign || place % STRETCH == STRETCH - 1) {
            out.push_str("\\allowbreak{}");
        }
        last = c;
    }
    out
}

fn command(c: char) -> Option<String> {
    if let Some((_, command)) = COMMANDS.iter().find(|(known, _)| *known == c) {
        return Some((*command).to_owned());
    }
    ACCENTED.iter().find_map(|(accent, letters, plain)| {
        let place = letters.chars().position(|letter| letter == c)?;
        let letter = match plain.as_bytes()[place] {
            b'i' => "\\i".to_owned(),
            b'j' => "\\j".to_owned(),
            letter => char::from(letter).to_string(),
        };
        Some(format!("\\{accent}{{{letter}}}"))
    })
}

/// The lines of a column's head.
pub(super) fn head(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = vec![String::new()];
    for word in visible(text).split(' ') {
        let letters: Vec<char> = word.chars().collect();
        for piece in letters.chunks(HEAD) {
            let last = lines.last_mut().expect("one line at least");
            let used = last.chars().count();
            if used > 0 && used + 1 + piece.len() > HEAD {
                lines.push(piece.iter().collect());
            } else {
                if used > 0 {
                    last.push(' ');
                }
                last.extend(piece);
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sign_of_tex_shows_as_itself() {
        assert_eq!(
            escaped("\\a{b}$c&#d%_^~<>|\"`"),
            "\\textbackslash{}a\\{b\\}\\$c\\&\\#d\\%\\_\\^{}\\~{}\\textless{}\\textgreater{}\\textbar{}{''}\\`{}"
        );
        assert_eq!(escaped("a--b ,,c"), "a-{}-b ,{},c");
        assert_eq!(escaped("94.7 ± 0.6 – n†"), "94.7 $\\pm$ 0.6 -- n$\\dagger$");
        assert_eq!(
            escaped("\u{1b}[2J\u{202e}"),
            "\\textbackslash{}u\\{1b\\}{[}2J\\textbackslash{}u\\{202e\\}"
        );
    }

    #[test]
    fn letters_get_their_accents_and_what_fonts_lack_its_number() {
        assert_eq!(escaped("Maïwenn Ťažký ØÅ"), "Ma\\\"{\\i}wenn \\v{T}a\\v{z}k\\'{y} \\O{}\\r{A}");
        assert_eq!(escaped("א中"), "\\texttt{U+05D0}\\allowbreak{}\\texttt{U+4E2D}\\allowbreak{}");
    }

    #[test]
    fn letters_and_their_plain_forms_are_as_many() {
        for (accent, letters, plain) in ACCENTED {
            assert_eq!(letters.chars().count(), plain.len(), "{accent}");
        }
    }

    #[test]
    fn all_of_it_is_ascii() {
        let text: String = (1..0x3000).filter_map(char::from_u32).collect();
        assert!(escaped(&text).is_ascii());
    }

    #[test]
    fn heads_break_between_words_and_within_long_ones() {
        assert_eq!(head("Entropy, the code's ranking"), ["Entropy, the", "code's ranking"]);
        assert_eq!(head(&"x".repeat(30)), ["x".repeat(14), "x".repeat(14), "xx".to_owned()]);
        assert_eq!(head("AKH"), ["AKH"]);
    }
}
