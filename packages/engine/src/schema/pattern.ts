import { RE2JS, RE2JSSyntaxException } from 're2js'

/** A pattern that matches whole values in linear time, so that no cell can hang a load. */
export type Pattern = (value: string) => boolean

/** Why a pattern cannot be used, and the character of it, from 1, at which the trouble ends. */
export interface PatternFault {
  reason: string
  at: number
}

/**
 * Characters and classes of a pattern, its counted repetitions written out, as RE2 has them: each character of a cell may meet them all.
 * With 10,000 a cell of 300 characters took 2.5 s; 8 KB can hold 500,000, which took a minute and 0.6 GB.
 */
const MOST_PIECES = 5_000

/** Compiles a pattern in RE2 syntax (https://github.com/google/re2/wiki/Syntax). */
export function compilePattern(source: string): Pattern | PatternFault {
  const pieces = piecesOf(source)
  if (pieces > MOST_PIECES)
    return {
      reason: `${pieces} characters when its repetitions are written out, more than ${MOST_PIECES}`,
      at: source.length,
    }
  const compiled = compile(source)
  if (compiled instanceof RE2JS) return (value) => compiled.testExact(value)
  return { reason: compiled.message.replace(/^error parsing regexp: /, ''), at: faultEnd(source, compiled.input) }
}

function compile(source: string): RE2JS | RE2JSSyntaxException {
  try {
    return RE2JS.compile(source)
  } catch (error) {
    if (error instanceof RE2JSSyntaxException) return error
    throw error
  }
}

/** re2js names the offending piece but not its place: that is where the first prefix ends that fails in the same way. */
function faultEnd(source: string, piece: string | null): number {
  if (!piece) return source.length
  for (let from = source.indexOf(piece); from >= 0; from = source.indexOf(piece, from + 1)) {
    const prefix = compile(source.slice(0, from + piece.length))
    if (prefix instanceof RE2JSSyntaxException && prefix.input === piece) return from + piece.length
  }
  return source.length
}

/** Parts of a pattern as far as they count: quoted text, a character, a class, a counted repetition. */
const TOKENS =
  /\\Q.*?(?:\\E|$)|\\x\{[^}]*(?:\}|$)|\\.|\[(?:\\.|[^\]\\])*(?:\]|$)|\{(?<least>\d+)(?:,(?<most>\d*))?\}|./gsu

/** About how long a pattern is with its counted repetitions written out. What is no pattern is the compiler's to say. */
function piecesOf(source: string): number {
  const open: number[] = []
  let pieces = 0
  let last = 0
  for (const { 0: token, groups } of source.matchAll(TOKENS)) {
    if (token === '(') {
      open.push(pieces)
      continue
    }
    if (groups!['least'] !== undefined) {
      const times = Math.max(Number(groups!['least']), Number(groups!['most'] ?? 0), 1)
      pieces += last * (times - 1)
      last *= times
      continue
    }
    const begun = token === ')' ? (open.pop() ?? pieces) : pieces
    pieces += token.startsWith('\\Q') ? token.length : 1
    last = pieces - begun
  }
  return pieces
}
