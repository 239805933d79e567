//! A page of the docs and its fenced blocks.

use std::fmt::Write as _;
use std::path::PathBuf;

/// What stands between a fence and the line that ends it.
pub struct Block {
    /// What follows the opening fence.
    pub kind: String,
    /// Its lines, the last one ended as well.
    pub text: String,
    /// The text between the block before and this one.
    pub before: String,
    /// The number of its first line.
    line: usize,
}

/// A page: blocks, and what follows the last.
pub struct Page {
    path: PathBuf,
    pub blocks: Vec<Block>,
    rest: String,
}

impl Page {
    pub fn read(name: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("docs")
            .join(name);
        let text = std::fs::read_to_string(&path).expect("the page");
        let (mut blocks, mut before) = (Vec::new(), String::new());
        let mut lines = text.split_inclusive('\n').enumerate();
        while let Some((_, line)) = lines.next() {
            let Some(kind) = line.strip_prefix("```") else {
                before += line;
                continue;
            };
            let (kind, mut block) = (kind.trim().to_owned(), String::new());
            let mut first = None;
            for (at, line) in lines
                .by_ref()
                .take_while(|(_, line)| line.trim_end() != "```")
            {
                first.get_or_insert(at + 1);
                block += line;
            }
            blocks.push(Block {
                kind,
                text: block,
                before: std::mem::take(&mut before),
                line: first.unwrap_or_default(),
            });
        }
        Self {
            path,
            blocks,
            rest: before,
        }
    }

    /// Compares the blocks' texts with these, or writes them into the page.
    pub fn settle(&self, texts: &[String]) {
        assert_eq!(self.blocks.len(), texts.len(), "one text for each block");
        let mut page = String::new();
        for (block, text) in self.blocks.iter().zip(texts) {
            let _ = write!(page, "{}```{}\n{text}```\n", block.before, block.kind);
        }
        page += &self.rest;
        if std::env::var_os("MESH_BLESS").is_some() {
            std::fs::write(&self.path, page).expect("the page is written");
            return;
        }
        for (block, text) in self.blocks.iter().zip(texts) {
            assert!(
                block.text == *text,
                "{}:{}: the page says\n{}and the server says\n{text}(MESH_BLESS=1 writes the page)",
                self.path.display(),
                block.line,
                block.text,
            );
        }
    }
}
