import type { ErrorBudget } from '@sluice/engine'
import { parseBytes, parseSeconds } from '../quantity.ts'
import { usageError } from './failure.ts'

/** Readers of flags' values. Each takes the flag's name for its message and throws SLUICE_USAGE. */
type Reader<T> = (text: string, previous: T | undefined) => T

const WORDS: Record<string, string> = { tab: '\t', '\\t': '\t', space: ' ', comma: ',', semicolon: ';', pipe: '|' }
const SHARE = /^\d{1,3}(?:\.\d+)?%$/

export function wholeNumber(flag: string, least: number, most = Number.MAX_SAFE_INTEGER): Reader<number> {
  const range = most === Number.MAX_SAFE_INTEGER ? `from ${least}` : `from ${least} to ${most}`
  return (text) => {
    const value = Number(text.replaceAll('_', ''))
    if (/^\d[\d_]*$/.test(text) && value >= least && value <= most) return value
    throw usageError(`${flag} takes a whole number ${range}, not "${text}"`)
  }
}

/** As {@link parseBytes}. */
export function byteCount(flag: string): Reader<number> {
  return (text) => {
    const value = parseBytes(text)
    if (value !== undefined) return value
    throw usageError(`${flag} takes a number of bytes such as 16MB, not "${text}"`)
  }
}

/** One character of ASCII, or its name. */
function oneByte(flag: string): Reader<string> {
  return (text) => {
    const value = WORDS[text] ?? text
    if (/^[\t\x20-\x7e]$/.test(value)) return value
    throw usageError(`${flag} takes one ASCII character, or tab, space, comma, semicolon or pipe, not "${text}"`)
  }
}

/** One character or several, 8 bytes of UTF-8 at most; `\xHH` is any of ASCII. */
export function separator(flag: string): Reader<string> {
  return (text) => {
    const value =
      WORDS[text] ?? text.replace(/\\x([0-7][\da-f])/gi, (_, code) => String.fromCharCode(Number.parseInt(code, 16)))
    const { length } = Buffer.from(value)
    if (length >= 1 && length <= 8 && !/[\0\r\n]/.test(value)) return value
    throw usageError(
      `${flag} takes 1 to 8 bytes such as ; or ||, or tab, space, comma, semicolon or pipe, not "${text}"; \\x01 is a control character`,
    )
  }
}

/** As {@link oneByte}; `none` becomes an empty text, because commander takes no null for a value. */
export function oneByteOrNone(flag: string): Reader<string> {
  const read = oneByte(flag)
  return (text, previous) => (text === 'none' || text === '' ? '' : read(text, previous))
}

export function nameList(flag: string): Reader<string[]> {
  return (text, previous = []) => {
    const names = text.split(',').map((name) => name.trim())
    if (names.includes('')) throw usageError(`${flag} takes names separated by commas, such as a,b, not "${text}"`)
    return [...previous, ...names]
  }
}

export function repeated(): Reader<string[]> {
  return (text, previous = []) => [...previous, text]
}

/**
 * `left=right`, repeatable.
 * @param cut Which equals sign divides them where there are several.
 */
export function pairs(flag: string, shape: string, cut: 'first' | 'last'): Reader<Map<string, string>> {
  return (text, previous = new Map()) => {
    const at = cut === 'first' ? text.indexOf('=') : text.lastIndexOf('=')
    const [left, right] = [text.slice(0, at), text.slice(at + 1)]
    if (at < 1 || (cut === 'last' && right === '')) throw usageError(`${flag} takes ${shape}, not "${text}"`)
    if (previous.has(left)) throw usageError(`${flag} is given twice for "${left}"`)
    return new Map([...previous, [left, right]])
  }
}

export function errorBudget(flag: string): Reader<ErrorBudget> {
  return (text) => {
    if (/^\d{1,15}$/.test(text)) return { rows: Number(text) }
    if (SHARE.test(text) && Number.parseFloat(text) <= 100) return { percent: Number.parseFloat(text) }
    throw usageError(`${flag} takes a number of records such as 100, or a share such as 1%, not "${text}"`)
  }
}

/** `1%`, `0.05%`: 0 to 100. */
export function percent(flag: string): Reader<number> {
  return (text) => {
    if (SHARE.test(text) && Number.parseFloat(text) <= 100) return Number.parseFloat(text)
    throw usageError(`${flag} takes a share such as 1%, not "${text}"`)
  }
}

/** `30d`, `12h`, `90m`, in seconds. */
export function age(flag: string): Reader<number> {
  return (text) => {
    const seconds = parseSeconds(text)
    if (seconds !== undefined) return seconds
    throw usageError(`${flag} takes an age such as 30d, 12h or 90m, not "${text}"`)
  }
}
