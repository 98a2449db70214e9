//! Nothing to set up, hence no `ENTRY`: no setup ever sees the word `import`. What it means is in
//! the parser, `dunlin_corefile::parse`.
