import type { Settings } from './settings.ts'

type Headers = Pick<Settings, 'header' | 'headers'>

/** Where the columns of each source of a job stand in the one CSV of its rejects. */
export interface Layout {
  /** Those of the first source, then what the others have besides. */
  columns: string[]
  /** For each column of a source, in its order, the place in `columns`. */
  placesOf(segment: number): number[]
}

/** The header of one source of a job. */
export function headerOf({ header, headers }: Headers, segment: number): string[] {
  return headers?.[segment] ?? header
}

/** Columns are the same by their names; of several with one name the first is the first, and so on. */
export function layoutOf(shape: Headers): Layout {
  const columns: string[] = []
  const places = new Map<string, number[]>()
  const placesIn = (header: string[]): number[] => {
    const seen = new Map<string, number>()
    return header.map((name) => {
      const nth = seen.get(name) ?? 0
      seen.set(name, nth + 1)
      const known = places.get(name) ?? []
      places.set(name, known)
      known[nth] ??= columns.push(name) - 1
      return known[nth]
    })
  }
  const first = placesIn(shape.header)
  const others = new Map(Object.entries(shape.headers ?? {}).map(([segment, header]) => [segment, placesIn(header)]))
  return { columns, placesOf: (segment) => others.get(`${segment}`) ?? first }
}
