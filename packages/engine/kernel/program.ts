// The column program: what to do with each column, written into memory by src/parse/compile.ts. One record of COLUMN
// bytes for each column of the target, in the order in which the database takes them. Both sides keep these offsets.

export const COLUMN: usize = 128

/** u8, a TYPE_… */
export const AT_TYPE: usize = 0
/** u8, a STORE_… */
export const AT_STORAGE: usize = 1
/** u16, HAS_… bits */
export const AT_FLAGS: usize = 2
/** u32: ordinal of the source's cell, or one of FROM_CONSTANT, FROM_LINE */
export const AT_CELL: usize = 4
/** up to 8 × u8, a TRANSFORM_…; 0 ends the list */
export const AT_TRANSFORMS: usize = 8
/** u32, code points */
export const AT_MIN_LENGTH: usize = 16
export const AT_MAX_LENGTH: usize = 20
/** i64: bounds of integers, days, microseconds; the bits of an f64 for float8 */
export const AT_MIN: usize = 24
export const AT_MAX: usize = 32
/** pointers to decimals (see columns/number.ts) */
export const AT_MIN_DECIMAL: usize = 40
export const AT_MAX_DECIMAL: usize = 44
/** word lists: pointer to a u32 count, then a u32 length and its bytes for each word */
export const AT_ENUM: usize = 48
export const AT_TRUE_WORDS: usize = 52
export const AT_FALSE_WORDS: usize = 56
/** word list of strptime patterns */
export const AT_FORMATS: usize = 60
/** i32; -1: any */
export const AT_PRECISION: usize = 64
export const AT_SCALE: usize = 68
/** u8 each; 0: none */
export const AT_DECIMAL_CHAR: usize = 72
export const AT_GROUP_CHAR: usize = 73
/** u8: 0 any, 1 object, 2 array */
export const AT_JSON_TOP: usize = 74
/** u8: how the cell reads when it is written in the usual way, a USUAL_… (see usual.ts); 0: it always goes the general way */
export const AT_USUAL: usize = 75
/** a constant's text: pointer and length in bytes; length u32.MAX: NULL */
export const AT_CONSTANT: usize = 76
export const AT_CONSTANT_LENGTH: usize = 80

/** up to 4 × u16, of dates: a DATE_… and its separator << 8; 0 ends the list */
export const AT_DATE_SHAPES: usize = 84

/** pointer and length of the name, of the columns in compose.ts */
export const AT_NAME: usize = 92
export const AT_NAME_LENGTH: usize = 96

export const FROM_CONSTANT: u32 = 0xffffffff
export const FROM_LINE: u32 = 0xfffffffe
/** Made of several cells, see compose.ts: the SHA-256 of the content, and a JSON object. Below these are cells. */
export const FROM_CONTENT: u32 = 0xfffffffd
export const FROM_MEMBERS: u32 = 0xfffffffc

export const HAS_REQUIRED: u32 = 1
export const HAS_TRANSFORMS: u32 = 2
export const HAS_MIN: u32 = 4
export const HAS_MAX: u32 = 8
export const HAS_LENGTH: u32 = 16
export const HAS_ENUM: u32 = 32
export const HAS_TEST: u32 = 64

export const USUAL_TEXT: u8 = 1
/** A text whose column trims: usual when it begins and ends with a visible ASCII character, but for spaces. */
export const USUAL_TRIMMED_TEXT: u8 = 2
export const USUAL_INTEGER: u8 = 3
export const USUAL_NUMERIC: u8 = 4
export const USUAL_BOOLEAN: u8 = 5
export const USUAL_DATE: u8 = 6
export const USUAL_UUID: u8 = 7
export const USUAL_EMAIL: u8 = 8
export const USUAL_LOWERCASE_EMAIL: u8 = 9
export const USUAL_TRIMMED_EMAIL: u8 = 10
export const USUAL_TRIMMED_LOWERCASE_EMAIL: u8 = 11

/** The order of year, month and day. */
export const DATE_YMD: u8 = 1
export const DATE_MDY: u8 = 2
export const DATE_DMY: u8 = 3

export const TYPE_TEXT: u8 = 0
export const TYPE_INTEGER: u8 = 1
export const TYPE_NUMERIC: u8 = 2
export const TYPE_FLOAT8: u8 = 3
export const TYPE_BOOLEAN: u8 = 4
export const TYPE_DATE: u8 = 5
export const TYPE_TIME: u8 = 6
export const TYPE_TIMESTAMP: u8 = 7
export const TYPE_TIMESTAMPTZ: u8 = 8
export const TYPE_UUID: u8 = 9
export const TYPE_EMAIL: u8 = 10
export const TYPE_JSON: u8 = 11

export const STORE_PG_TEXT: u8 = 0
export const STORE_PG_INT2: u8 = 1
export const STORE_PG_INT4: u8 = 2
export const STORE_PG_INT8: u8 = 3
export const STORE_PG_NUMERIC: u8 = 4
export const STORE_PG_FLOAT8: u8 = 5
export const STORE_PG_BOOL: u8 = 6
export const STORE_PG_DATE: u8 = 7
export const STORE_PG_TIME: u8 = 8
export const STORE_PG_TIMESTAMP: u8 = 9
export const STORE_PG_UUID: u8 = 10
export const STORE_PG_JSONB: u8 = 11
export const STORE_PG_TIMESTAMPTZ: u8 = 12
export const STORE_SQLITE_TEXT: u8 = 16
export const STORE_SQLITE_INTEGER: u8 = 17
export const STORE_SQLITE_REAL: u8 = 18
export const STORE_SQLITE_NUMBER: u8 = 19
export const STORE_SQLITE_EXACT: u8 = 20

export const TRANSFORM_TRIM: u8 = 1
export const TRANSFORM_COLLAPSE: u8 = 2
export const TRANSFORM_LOWERCASE: u8 = 3
export const TRANSFORM_UPPERCASE: u8 = 4
export const TRANSFORM_NULL_IF_EMPTY: u8 = 5
