import { RE2JS, RE2JSSyntaxException } from 're2js'

/** A pattern that matches whole values in linear time, so that no cell can hang a load. */
export type Pattern = (value: string) => boolean

/** Why a pattern cannot be used, and the character of it, from 1, at which the trouble ends. */
export interface PatternFault {
  reason: string
  at: number
}

/** Compiles a pattern in RE2 syntax (https://github.com/google/re2/wiki/Syntax). */
export function compilePattern(source: string): Pattern | PatternFault {
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
