//! Makes text from elsewhere harmless on a terminal.

/// Escapes what could move the cursor, change colours, reorder or hide text: control characters (C0, DEL, C1) and
/// invisible or direction-changing ones, as `\n` or `\u{1b}`. Everything else stays readable.
pub fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if is_hostile(c) {
            safe.extend(c.escape_default());
        } else {
            safe.push(c);
        }
    }
    safe
}

fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Quotes a text for pasting into a POSIX shell; what is plain stays as it is. Text that no terminal should see comes
/// out escaped, and then pastes as something else rather than as a command.
pub fn shell_quote(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", escape(text).replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_drives_a_terminal_passes() {
        for hostile in
            ["\x1b[2J", "\x1b]52;c;YQ==\x07", "a\rb", "a\nb", "\u{9b}31m", "a\u{202e}b", "\u{200b}", "\x7f", "\t"]
        {
            let safe = escape(hostile);
            assert!(safe.chars().all(|c| !is_hostile(c)), "{safe:?}");
            assert!(safe.contains('\\'), "{safe:?}");
        }
        assert_eq!(escape("名前 prod-1 arn:aws:eks"), "名前 prod-1 arn:aws:eks");
    }

    #[test]
    fn quoted_text_is_one_word_to_a_shell() {
        for text in ["", "a b", "$(reboot)", "`id`", "a'b", "a;b", "~root", "*", "!x", "a\\b", "\"", "#c", "-x y"] {
            let script = format!("printf %s {}", shell_quote(text));
            let out = std::process::Command::new("sh").arg("-c").arg(&script).output().expect("sh runs");
            assert_eq!(String::from_utf8_lossy(&out.stdout), text, "{script}");
        }
        assert_eq!(shell_quote("arn:aws:eks:eu-west-1:1:cluster/prod"), "arn:aws:eks:eu-west-1:1:cluster/prod");
        assert!(!shell_quote("a\nreboot").contains('\n'));
    }
}
