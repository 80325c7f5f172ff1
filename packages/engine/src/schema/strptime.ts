/** What the directives of a strptime pattern name. */
export interface PatternParts {
  /** A whole date: a year with month and day, or with the day of the year. */
  date: boolean
  /** Any part of a date. */
  anyDate: boolean
  time: boolean
  zone: boolean
}

const DIRECTIVES = 'YymdjbBHIMSfpz%'

/** The parts of a pattern, or what it must be instead. The directives are listed in docs/reference/values.md. */
export function patternParts(pattern: string): PatternParts | string {
  const named = new Set<string>()
  for (let at = pattern.indexOf('%'); at >= 0; at = pattern.indexOf('%', at + 2)) {
    const directive = pattern[at + 1] ?? ''
    if (directive === '' || !DIRECTIVES.includes(directive)) {
      return `a strptime pattern; %${directive} at character ${at + 1} is not a directive; these are: ${[...DIRECTIVES].map((d) => `%${d}`).join(' ')}`
    }
    named.add(directive)
  }
  const any = (directives: string) => [...directives].some((directive) => named.has(directive))
  return {
    date: any('Yy') && ((any('mbB') && any('d')) || any('j')),
    anyDate: any('YymdjbB'),
    time: any('HIMSfp'),
    zone: any('z'),
  }
}
