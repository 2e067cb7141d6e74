//! What the parser of a command line says, as one line: what is wrong, and what to do.

/// Parts a parser's message into what is wrong and what to do: its own tip, else where the help is.
///
/// The message is several paragraphs: `error: …`, tips, and `Usage: program command …`.
pub fn explain(message: &str, program: &str) -> (String, String) {
    let message = message.strip_prefix("error: ").unwrap_or(message);
    let mut paragraphs = message.split("\n\n").map(str::trim);
    let what: Vec<&str> = paragraphs.next().unwrap_or_default().lines().map(str::trim).collect();
    let rest: Vec<&str> = paragraphs.collect();
    let tip = rest.iter().find_map(|paragraph| paragraph.strip_prefix("tip: "));
    let command = rest.iter().find_map(|paragraph| paragraph.strip_prefix("Usage: ")).map(command_of);
    let help = format!("{} --help shows what there is", command.as_deref().unwrap_or(program));
    (what.join(" "), tip.map_or(help, |tip| tip.lines().map(str::trim).collect::<Vec<_>>().join(" ")))
}

/// Returns the words of a usage line up to its first argument.
fn command_of(usage: &str) -> String {
    let is_name = |word: &&str| !word.starts_with(['-', '<', '[']);
    usage.split_whitespace().take_while(is_name).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_become_one_line_with_a_next_step() {
        let cases = [
            (
                "error: unrecognized subcommand 'strat'\n\n  tip: some similar subcommands exist: 'status', 'start'\n\n\
                 Usage: teleport <COMMAND>\n\nFor more information, try '--help'.\n",
                ("unrecognized subcommand 'strat'", "some similar subcommands exist: 'status', 'start'"),
            ),
            (
                "error: the following required arguments were not provided:\n  --roles <ROLES>\n  <NAME>\n\n\
                 Usage: tctl users add --roles <ROLES> <NAME>\n\nFor more information, try '--help'.\n",
                (
                    "the following required arguments were not provided: --roles <ROLES> <NAME>",
                    "tctl users add --help shows what there is",
                ),
            ),
            ("error: no\n", ("no", "tctl --help shows what there is")),
            ("", ("", "tctl --help shows what there is")),
        ];
        for (message, (what, hint)) in cases {
            assert_eq!(explain(message, "tctl"), (what.to_owned(), hint.to_owned()));
        }
    }
}
