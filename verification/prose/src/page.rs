//! Reads a page for its checks: its blocks and spans of code, its links, and the anchors that a link may name.

use std::collections::BTreeMap;

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

/// A page, read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// Each block of code.
    pub blocks: Vec<Block>,
    /// Each code span, with its line.
    pub spans: Vec<(usize, String)>,
    /// The address of each link and picture, with its line.
    pub links: Vec<(usize, String)>,
    /// The anchors of its headings, as GitHub makes them.
    pub anchors: Vec<String>,
}

/// A block of code.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Block {
    /// The words after its fence, such as `yaml fragment`.
    pub info: String,
    /// Its text.
    pub text: String,
    /// The line on which it begins, counted from 1.
    pub line: usize,
}

/// Reads a page of Markdown.
#[must_use]
pub fn page(markdown: &str) -> Page {
    let (mut page, mut heading, mut block, mut times) = (Page::default(), None, None, BTreeMap::new());
    for (event, range) in Parser::new_ext(markdown, Options::ENABLE_TABLES).into_offset_iter() {
        let line = markdown[..range.start].matches('\n').count() + 1;
        match event {
            Event::Start(Tag::CodeBlock(kind)) => {
                let info = if let CodeBlockKind::Fenced(info) = kind { info.to_string() } else { String::new() };
                block = Some(Block { info, text: String::new(), line });
            }
            Event::End(TagEnd::CodeBlock) => page.blocks.extend(block.take()),
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::End(TagEnd::Heading(_)) => page.anchors.extend(heading.take().map(|heading| anchor(&heading, &mut times))),
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                page.links.push((line, dest_url.to_string()));
            }
            Event::Code(code) => {
                if let Some(heading) = &mut heading {
                    heading.push_str(&code);
                }
                page.spans.push((line, code.to_string()));
            }
            Event::Text(text) => match (&mut block, &mut heading) {
                (Some(block), _) => block.text.push_str(&text),
                (None, Some(heading)) => heading.push_str(&text),
                (None, None) => {}
            },
            _ => {}
        }
    }
    page
}

/// How many words a page has, with its code and tables. A word has a letter or a digit.
#[must_use]
pub fn words(markdown: &str) -> usize {
    markdown.split_whitespace().filter(|word| word.chars().any(char::is_alphanumeric)).count()
}

/// The anchor of a heading. A heading that is there already gets a number.
fn anchor(heading: &str, times: &mut BTreeMap<String, usize>) -> String {
    let kept = heading.to_lowercase().chars().filter(|c| c.is_alphanumeric() || "-_ ".contains(*c)).collect::<String>();
    let anchor = kept.trim().replace(' ', "-");
    let before = times.entry(anchor.clone()).or_insert(0);
    *before += 1;
    if *before == 1 { anchor } else { format!("{anchor}-{}", *before - 1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_have_their_info_text_and_line() {
        let page = page("Text.\n\n```yaml fragment\na: 1\n```\n\n    indented\n");
        let block = |info: &str, text: &str, line| Block { info: info.to_owned(), text: text.to_owned(), line };
        assert_eq!(page.blocks, [block("yaml fragment", "a: 1\n", 3), block("", "indented\n", 7)]);
    }

    #[test]
    fn links_and_spans_have_their_line() {
        let page = page("See `one`.\n\n[two](docs/two.md#at) and [three].\n\n[three]: three.md\n");
        assert_eq!(page.spans, [(1, "one".to_owned())]);
        assert_eq!(page.links, [(3, "docs/two.md#at".to_owned()), (3, "three.md".to_owned())]);
    }

    #[test]
    fn anchors_are_as_github_makes_them() {
        let page = page("# The `plan` command, and more\n\n## A.b: c\n\n## A.b: c\n");
        assert_eq!(page.anchors, ["the-plan-command-and-more", "ab-c", "ab-c-1"]);
    }

    #[test]
    fn words_are_counted_with_code() {
        assert_eq!(words("# Two words\n\n| a | -- |\n\n```sh\ncargo demo\n```\n"), 6);
    }
}
