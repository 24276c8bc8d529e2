//! Aligned columns for people at a terminal.

use std::fmt;

/// Which edge of a column its texts keep to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Right,
}

/// Rows under a heading.
#[derive(Debug)]
pub(super) struct Table {
    alignments: Vec<Align>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Starts a table with its heading.
    pub(super) fn new(columns: &[(&str, Align)]) -> Self {
        let heading = columns.iter().map(|(name, _)| (*name).to_owned()).collect();
        Self { alignments: columns.iter().map(|(_, align)| *align).collect(), rows: vec![heading] }
    }

    /// Adds a row; what has no column is not shown.
    pub(super) fn add(&mut self, row: Vec<String>) {
        self.rows.push(row);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let columns: Vec<(Align, usize)> =
            self.alignments.iter().enumerate().map(|(column, align)| (*align, width(column))).collect();
        for row in &self.rows {
            let cells = row.iter().zip(&columns).map(|(cell, (align, width))| match align {
                Align::Left => format!("{cell:<width$}"),
                Align::Right => format!("{cell:>width$}"),
            });
            writeln!(f, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_each_other() {
        let mut table = Table::new(&[("name", Align::Left), ("cost", Align::Right), ("note", Align::Left)]);
        table.add(vec!["é".to_owned(), "1.50".to_owned(), String::new()]);
        table.add(vec!["longer".to_owned(), "12.50".to_owned(), "x".to_owned()]);
        assert_eq!(table.to_string(), "name     cost  note\né        1.50\nlonger  12.50  x\n");
    }
}
