import { codeOf, cutValue, describeError } from '../reject/messages.ts'
import type { RejectError } from '../reject/reject.ts'
import type { Dialect } from './dialect.ts'

/** What the kernel puts around a text of JSON that could be taken for NULL; no UTF-8 has it. */
const MARK = 0xff

/** Text of a cell as the kernel has it, without its quotes. */
export function cellText(cell: Buffer, dialect: Dialect): string {
  if (dialect.json) return (cell[0] === MARK ? cell.subarray(1, -1) : cell).toString()
  const { quote } = dialect
  const text = cell.toString()
  if (quote === null || !text.startsWith(quote)) return text
  const inner = text.slice(1, -1)
  const mark = dialect.escape ?? quote
  let unescaped = ''
  for (let i = 0; i < inner.length; i++) {
    if (inner[i] === mark && (inner[i + 1] === quote || inner[i + 1] === mark)) i++
    unescaped += inner[i]
  }
  return unescaped
}

/** The error of a member whose key no column has; `member` is its text. */
export function extraMember(member: string): RejectError {
  const name = /^"(?:[^"\\]|\\.)*"/s.exec(member)![0]
  const key = cutValue(JSON.parse(name))
  const value = member.slice(name.length).replace(/^\s*:\s*/, '')
  const isText = value.startsWith('"')
  return {
    column: key,
    code: codeOf('extra-cell'),
    message: describeError('extra-cell', null, null, { key }),
    value: cutValue(isText ? JSON.parse(value) : value),
  }
}
