import { type ErrorCode, SluiceError } from '../errors.ts'

const SHOWN = 80

/** A value as it appears in a message: JSON, so that control characters of hostile input do no harm, and never long. */
export function show(value: unknown): string {
  if (value === undefined) return 'missing'
  const text = textOf(value)
  return text.length > SHOWN ? `${text.slice(0, SHOWN).toWellFormed()}…` : text
}

/** Also of what JSON has no text for: a library's caller may give anything. */
function textOf(value: unknown): string {
  if (typeof value === 'bigint' || typeof value === 'number') return String(value)
  try {
    return JSON.stringify(value) ?? String(value)
  } catch {
    return Object.prototype.toString.call(value)
  }
}

/** Names in a message: at most `limit` of them, then how many more. */
export function showAll(names: readonly string[], limit = 40): string {
  const shown = names.slice(0, limit).map(show).join(', ')
  return names.length > limit ? `${shown} and ${names.length - limit} more` : shown || 'none'
}

/** One value, a list of them, or nothing, as a list. */
export function listOf<T>(value: T | readonly T[] | undefined): T[] {
  return value === undefined ? [] : Array.isArray(value) ? [...value] : [value as T]
}

/**
 * Reads values of a JSON document that nobody has checked yet. What is wrong is thrown with its path, what stands
 * there, and what is allowed. `undefined` passes through every reader: a key that is not there.
 */
export interface JsonReader {
  wrong(path: string, value: unknown, allowed: string): never
  object(path: string, value: unknown): Map<string, unknown>
  /** An object with no other keys than these. */
  known(path: string, value: unknown, keys: readonly string[]): Map<string, unknown>
  string(path: string, value: unknown): string | undefined
  boolean(path: string, value: unknown): boolean | undefined
  /** A whole number from `least`. */
  count(path: string, value: unknown, least: number): number | undefined
  oneOf<const T extends string>(path: string, value: unknown, words: readonly T[]): T | undefined
  /** A list, each item read by `item`. */
  list<T>(path: string, value: unknown, what: string, item: (path: string, value: unknown) => T): T[] | undefined
  strings(path: string, value: unknown): string[] | undefined
}

export function jsonReader(code: ErrorCode, document: string): JsonReader {
  const place = (path: string) => (path === '' ? document : `${document}: ${path}`)
  const wrong = (path: string, value: unknown, allowed: string): never => {
    throw new SluiceError(code, `${place(path)} is ${show(value)}; it must be ${allowed}`)
  }
  const reader: JsonReader = {
    wrong,
    object(path, value) {
      if (typeof value !== 'object' || value === null || Array.isArray(value))
        return wrong(path, value, 'a JSON object')
      return new Map(Object.entries(value))
    },
    known(path, value, keys) {
      const given = reader.object(path, value)
      const others = [...given.keys()].filter((key) => !keys.includes(key))
      if (others.length === 0) return given
      throw new SluiceError(code, `${place(path)} has no key ${showAll(others)}; its keys are ${keys.join(', ')}`)
    },
    string(path, value) {
      return value === undefined || typeof value === 'string' ? value : wrong(path, value, 'a string')
    },
    boolean(path, value) {
      return value === undefined || typeof value === 'boolean' ? value : wrong(path, value, 'true or false')
    },
    count(path, value, least) {
      if (value === undefined) return undefined
      if (!Number.isSafeInteger(value) || (value as number) < least)
        return wrong(path, value, `a whole number from ${least}`)
      return value as number
    },
    oneOf(path, value, words) {
      if (value === undefined) return undefined
      return words.find((word) => word === value) ?? wrong(path, value, `one of ${words.join(', ')}`)
    },
    list(path, value, what, item) {
      if (value === undefined) return undefined
      if (!Array.isArray(value)) return wrong(path, value, what)
      return value.map((one, index) => item(`${path}[${index}]`, one))
    },
    strings(path, value) {
      return reader.list(
        path,
        value,
        'a list of strings',
        (at, one) => reader.string(at, one) ?? wrong(at, one, 'a string'),
      )
    },
  }
  return reader
}

/** The entries of an object without those whose value is undefined, so that what is read equals what is written again. */
export function defined<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined)) as T
}
