//! Cuts Markdown into sentences. Code blocks and addresses of links are no prose; a code span counts as one word.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// One sentence, or a heading or a table's cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sentence {
    /// Its text, with a backquote for each code span.
    pub text: String,
    /// The line of the Markdown on which its paragraph begins, counted from 1.
    pub line: usize,
    /// Whether it is a heading or a cell of a table. Such a piece is short by nature, so it does not count for the median.
    pub is_fragment: bool,
}

impl Sentence {
    /// How many words it has.
    #[must_use]
    pub fn words(&self) -> usize {
        self.text.split_whitespace().filter(|word| word.chars().any(|c| c.is_alphanumeric() || c == '`')).count()
    }
}

/// The sentences of a page or of a doc comment.
#[must_use]
pub fn sentences(markdown: &str) -> Vec<Sentence> {
    let mut sentences = Vec::new();
    let mut block = Block::default();
    let mut code_blocks = 0_usize;
    for (event, range) in Parser::new_ext(markdown, Options::ENABLE_TABLES).into_offset_iter() {
        match event {
            Event::Start(Tag::CodeBlock(_)) => code_blocks += 1,
            Event::End(TagEnd::CodeBlock) => code_blocks -= 1,
            Event::Start(Tag::Paragraph | Tag::Item | Tag::List(_) | Tag::BlockQuote(_)) => {
                block.end(&mut sentences);
                block = Block::at(line_of(markdown, range.start), false);
            }
            Event::Start(Tag::Heading { .. } | Tag::TableCell) => {
                block.end(&mut sentences);
                block = Block::at(line_of(markdown, range.start), true);
            }
            Event::End(
                TagEnd::Paragraph
                | TagEnd::Item
                | TagEnd::List(_)
                | TagEnd::BlockQuote(_)
                | TagEnd::Heading(_)
                | TagEnd::TableCell,
            ) => block.end(&mut sentences),
            Event::Text(text) if code_blocks == 0 => block.text.push_str(&text),
            Event::Code(_) => block.text.push('`'),
            Event::SoftBreak | Event::HardBreak => block.text.push(' '),
            _ => {}
        }
    }
    block.end(&mut sentences);
    sentences
}

/// The text of one paragraph, item, heading or cell.
#[derive(Debug, Default)]
struct Block {
    text: String,
    line: usize,
    is_fragment: bool,
}

impl Block {
    fn at(line: usize, is_fragment: bool) -> Self {
        Self { text: String::new(), line, is_fragment }
    }

    fn end(&mut self, sentences: &mut Vec<Sentence>) {
        let (line, is_fragment) = (self.line, self.is_fragment);
        let texts = cut(&self.text).into_iter();
        sentences.extend(texts.map(|text| Sentence { text, line, is_fragment }).filter(|piece| piece.words() > 0));
        self.text.clear();
    }
}

fn line_of(markdown: &str, offset: usize) -> usize {
    markdown[..offset].matches('\n').count() + 1
}

/// A dot after one of these ends no sentence.
const ABBREVIATIONS: [&str; 8] = ["e.g", "i.e", "etc", "vs", "cf", "approx", "incl", "St"];

/// A sentence ends with a dot, a question mark or an exclamation mark before a space and a beginning.
fn cut(text: &str) -> Vec<String> {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut found = Vec::new();
    let mut start = 0;
    for (at, _) in text.match_indices(' ') {
        if ends(&text[start..at]) && begins(&text[at + 1..]) {
            found.push(text[start..at].to_owned());
            start = at + 1;
        }
    }
    found.push(text[start..].to_owned());
    found.retain(|sentence| !sentence.is_empty());
    found
}

fn ends(sentence: &str) -> bool {
    let sentence = sentence.trim_end_matches(['"', '\'', ')', '”', '’', '*']);
    let Some(before) = sentence.strip_suffix(['.', '?', '!']) else { return false };
    !(sentence.ends_with('.') && ABBREVIATIONS.iter().any(|short| before.ends_with(short)))
}

fn begins(rest: &str) -> bool {
    let rest = rest.trim_start_matches(['"', '\'', '(', '[', '“', '‘', '*']);
    rest.starts_with(|c: char| c.is_uppercase() || c.is_numeric() || c == '`')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(markdown: &str) -> Vec<String> {
        sentences(markdown).into_iter().map(|piece| piece.text).collect()
    }

    #[test]
    fn sentences_end_before_a_beginning() {
        assert_eq!(texts("It stops. Does it? `run` says so.\nAll of it!"), ["It stops.", "Does it?", "` says so.", "All of it!"]);
        assert_eq!(texts("See [`one`]. [`two`] has it."), ["See [`].", "[`] has it."]);
    }

    #[test]
    fn dots_within_a_sentence_do_not_end_it() {
        let text = "Version 1.5 of ministack.py reads e.g. Budgets and i.e. `a.b`, then the rest.";
        assert_eq!(texts(text).len(), 1, "{:?}", texts(text));
    }

    #[test]
    fn code_blocks_are_no_prose() {
        assert_eq!(texts("Before.\n\n```rust\nWhat is. This too.\n```\n\n    And this.\n\nAfter."), ["Before.", "After."]);
    }

    #[test]
    fn a_link_counts_by_its_text() {
        assert_eq!(texts("See [the `docs` page](docs/a.b.md \"What is it\")."), ["See the ` page."]);
    }

    #[test]
    fn each_item_of_a_list_is_a_sentence() {
        assert_eq!(
            texts("It has:\n\n- one thing\n- another. And more\n  - a third"),
            ["It has:", "one thing", "another.", "And more", "a third"]
        );
    }

    #[test]
    fn headings_and_cells_are_fragments() {
        let found = sentences("# A page\n\n| name | does |\n| --- | --- |\n| `x` | It runs. It ends. |\n\nText.");
        let fragments: Vec<_> = found.iter().map(|piece| (piece.text.as_str(), piece.is_fragment)).collect();
        let expected = [
            ("A page", true),
            ("name", true),
            ("does", true),
            ("`", true),
            ("It runs.", true),
            ("It ends.", true),
            ("Text.", false),
        ];
        assert_eq!(fragments, expected);
    }

    #[test]
    fn a_piece_knows_its_line() {
        assert_eq!(sentences("One.\n\nTwo\nlines.\n\n- three").iter().map(|piece| piece.line).collect::<Vec<_>>(), [1, 3, 6]);
    }

    #[test]
    fn words_are_counted_without_signs() {
        let piece = Sentence { text: "A – b's, ` (and 3) | .".to_owned(), line: 1, is_fragment: false };
        assert_eq!(piece.words(), 5);
    }
}
