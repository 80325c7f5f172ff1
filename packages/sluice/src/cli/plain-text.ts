/** How numbers, times and what came from outside are shown to people. */

export function count(n: number): string {
  return n.toLocaleString('en-US')
}

/** `0.84 s`, `12.3 s`, `3:05`, `1:02:45`. */
export function duration(ms: number): string {
  if (ms < 9_995) return `${(ms / 1000).toFixed(2)} s`
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`
  return clock(ms / 1000)
}

/** `0:07`, `3:05`, `1:02:45`. */
export function clock(seconds: number): string {
  const whole = Math.round(seconds)
  const two = (n: number) => String(Math.floor(n)).padStart(2, '0')
  const hours = Math.floor(whole / 3600)
  if (hours > 0) return `${hours}:${two((whole % 3600) / 60)}:${two(whole % 60)}`
  return `${Math.floor(whole / 60)}:${two(whole % 60)}`
}

/** Control characters, which a file name or a cell may hold to command the terminal, as `\u001b`; newlines stay. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what this is about
  return text.replaceAll(/[\x00-\x09\x0b-\x1f\x7f-\x9f]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** A word as a POSIX shell reads it. */
export function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}
