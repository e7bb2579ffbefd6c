//! Markdown to HTML that a page may take in as it is: no markup of the author's own, no pictures, links to the web only.

use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd};

/// Renders.
pub(in crate::workshop) fn html(markdown: &str) -> String {
    let parser = Parser::new_ext(markdown, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH);
    let mut text = String::with_capacity(markdown.len() * 2);
    pulldown_cmark::html::push_html(&mut text, parser.filter_map(harmless));
    text
}

fn harmless(event: Event<'_>) -> Option<Event<'_>> {
    match event {
        Event::Html(raw) | Event::InlineHtml(raw) => Some(Event::Text(raw)),
        Event::Start(Tag::Image { .. }) | Event::End(TagEnd::Image) => None,
        Event::Start(Tag::Link { link_type, dest_url, id, .. }) => {
            let dest_url = if is_web(&dest_url) { dest_url } else { CowStr::Borrowed("#") };
            Some(Event::Start(Tag::Link { link_type, dest_url, title: CowStr::Borrowed(""), id }))
        }
        // An attribute would name the language of a code block: nothing colours it.
        Event::Start(Tag::CodeBlock(_)) => Some(Event::Start(Tag::CodeBlock(pulldown_cmark::CodeBlockKind::Indented))),
        other => Some(other),
    }
}

fn is_web(url: &str) -> bool {
    url.starts_with("https://") || url.starts_with("http://")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_comes_through_that_could_act() {
        let bad = "<script>alert(1)</script>\n\nA <b onclick=x>b</b> [l](javascript:alert) ![i](https://x/y.png) [ok](https://example.org \"t\")";
        let made = html(bad);
        assert!(
            !made.contains("<script") && !made.contains("<b ") && !made.contains("javascript") && !made.contains("<img"),
            "{made}"
        );
        assert!(made.contains("&lt;script&gt;") && made.contains(r#"<a href="https://example.org">ok</a>"#), "{made}");
    }

    #[test]
    fn what_teachers_write_is_rendered() {
        let made = html("| a | b |\n|---|---|\n| 1 | *2* |\n\n> quote\n\n```rust\ncode\n```");
        assert!(made.contains("<table>") && made.contains("<em>2</em>") && made.contains("<blockquote>"), "{made}");
        assert!(made.contains("<pre><code>code"), "{made}");
    }
}
