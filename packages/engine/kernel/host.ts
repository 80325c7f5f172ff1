// The few things that JavaScript does better; each is called only for cells that need it.

/** The nearest double of the number text [start, end), written as an f64 to `to`. */
// @ts-ignore: decorator
@external('host', 'parseFloat')
export declare function hostParseFloat(start: usize, end: usize, to: usize): void

/** Writes the lower (or upper) case of the UTF-8 text [start, end) to `to`; returns its length in bytes. */
// @ts-ignore: decorator
@external('host', 'changeCase')
export declare function hostChangeCase(start: usize, end: usize, to: usize, upper: i32): u32

/** Runs a column's own check on its text; 0: sound, else the ordinal (from 1) of the message that JavaScript keeps. */
// @ts-ignore: decorator
@external('host', 'test')
export declare function hostTest(column: u32, start: usize, end: usize): u32

/** Writes the SHA-256 of the bytes [start, end) to `to`, or what stands for it, in ASCII, and returns its length: 64 hexadecimal digits, at most 128. */
// @ts-ignore: decorator
@external('host', 'sha256')
export declare function hostSha256(start: usize, end: usize, to: usize): u32
