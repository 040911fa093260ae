//! Bytes to characters: where a span of the engine lies in a Python string.

/// Characters before a byte; quick where bytes ascend.
pub(crate) struct Characters<'t> {
    text: &'t str,
    byte: usize,
    character: usize,
}

impl<'t> Characters<'t> {
    /// Begins at the text's first byte.
    pub(crate) fn new(text: &'t str) -> Self {
        Self { text, byte: 0, character: 0 }
    }

    /// Characters before a byte.
    pub(crate) fn at(&mut self, byte: usize) -> usize {
        if byte >= self.byte {
            self.character += self.text[self.byte..byte].chars().count();
        } else {
            self.character -= self.text[byte..self.byte].chars().count();
        }
        self.byte = byte;
        self.character
    }
}
