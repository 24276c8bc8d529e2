//! The dashboard as one HTML file: an MCP App in a host, or a file of its own.
//!
//! Nothing in it is loaded from elsewhere. Its script makes every element and sets text as text, so that names and
//! tags stay data.

const SKELETON: &str = include_str!("page/dashboard.html");
const STYLE: &str = include_str!("page/style.css");
/// In the order in which they are read.
const SCRIPTS: [&str; 7] = [
    include_str!("page/words.js"),
    include_str!("page/elements.js"),
    include_str!("page/charts.js"),
    include_str!("page/sections.js"),
    include_str!("page/courses.js"),
    include_str!("page/bridge.js"),
    include_str!("page/main.js"),
];

/// Writes the page that asks its host for numbers.
pub fn app() -> String {
    page("")
}

/// Writes the page that shows one set of numbers, given as JSON, to whoever opens it.
pub fn report(data: &str) -> String {
    page(&inline(data))
}

fn page(data: &str) -> String {
    SKELETON
        .replacen("/*STYLE*/", STYLE, 1)
        .replacen("/*SCRIPT*/", &SCRIPTS.join("\n"), 1)
        // Last, as what it brings may look like the other marks.
        .replacen("/*DATA*/", data, 1)
}

/// Writes JSON so that no text in it ends the element around it.
fn inline(json: &str) -> String {
    json.replace('<', "\\u003c")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_one_file_that_loads_nothing_and_makes_no_markup_of_text() {
        let page = app();
        assert!(page.len() < 60 << 10, "{} bytes", page.len());
        for mark in ["/*STYLE*/", "/*SCRIPT*/", "/*DATA*/"] {
            assert!(!page.contains(mark), "{mark} was not filled in");
        }
        for banned in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "Function(",
            "fetch(",
            "XMLHttpRequest",
            "WebSocket",
            "import(",
            "@import",
            "src=",
            "href=",
            "url(",
            "https:",
            "onclick=",
        ] {
            assert!(!page.contains(banned), "{banned}");
        }
    }

    #[test]
    fn numbers_that_look_like_markup_stay_numbers() {
        let hostile = r#"{"by_model":[{"key":"</script><script>alert(1)</script>/*STYLE*/<!--"}]}"#;
        let page = report(hostile);
        assert_eq!(page.matches("</script>").count(), app().matches("</script>").count());
        assert!(!page.contains("<!--") && page.contains(r"\u003c/script>\u003cscript>alert(1)"));
    }
}
