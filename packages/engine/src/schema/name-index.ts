/**
 * Finds things by name: those with exactly this name, else those whose names are equal to it without regard to case.
 * One found is a match; several are ambiguous, and it is for the caller to say so.
 */
export type NameIndex<T> = (name: string) => readonly T[]

export function nameIndex<T>(entries: Iterable<readonly [name: string, thing: T]>): NameIndex<T> {
  // Names come from files: as keys of an object, `__proto__` would be no key at all.
  const exact = new Map<string, Set<T>>()
  const folded = new Map<string, Set<T>>()
  for (const [name, thing] of entries) {
    add(exact, name, thing)
    add(folded, fold(name), thing)
  }
  return (name) => [...(exact.get(name) ?? folded.get(fold(name)) ?? [])]
}

/** Names equal without regard to case have the same fold. */
export function fold(name: string): string {
  return name.toLowerCase()
}

function add<T>(map: Map<string, Set<T>>, key: string, thing: T): void {
  const things = map.get(key)
  if (things) things.add(thing)
  else map.set(key, new Set([thing]))
}
