import { sep } from 'node:path'
import type { CheckReport } from '@sluice/engine'
import { count, duration, printable } from './plain-text.ts'

/** Characters of a value that are shown. */
const LONGEST = 30

/** The report of a check as a short block for people. */
export function reportText(report: CheckReport): string {
  const { recordsRead, sound, rejected, rejectsByCode, evidence, sure, table, elapsedMs } = report
  const source = report.source.replaceAll(process.cwd() + sep, '')
  const codes = Object.entries(rejectsByCode).sort(([, a], [, b]) => b - a)
  const byCode = codes.map(([code, n]) => `${code} ${count(n)}`).join(', ')
  const width = count(recordsRead).length
  const lines = [
    `${source} → ${table ?? 'a new table'}`,
    `  dialect      ${evidence}${sure ? '' : ' (not sure)'}`,
    '  columns',
    ...columnLines(report).map((line) => `    ${line}`),
    `  records read ${count(recordsRead)}`,
    `  sound        ${count(sound).padStart(width)}`,
    `  rejected     ${count(rejected).padStart(width)}${byCode === '' ? '' : `   ${byCode}`}`,
    `  time         ${duration(elapsedMs)}; nothing was written`,
    ...rejectLines(report),
  ]
  if (report.hopeless) lines.push('A load stops here: all of its first 10,000 records are rejects.')
  return `${printable(lines.join('\n'))}\n`
}

function columnLines({ columns }: CheckReport): string[] {
  const shown = columns.map(({ column, source, type, inferred }) => {
    const from = source === null ? ' (filled)' : source === column ? '' : ` (from ${source})`
    const values = inferred?.samples.map((text) => (text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text)) ?? []
    const nulls = inferred && inferred.nulls > 0 ? `, ${count(inferred.nulls)} NULL` : ''
    const why = inferred
      ? `${count(inferred.values)} values${nulls} in the sample, such as ${values.map((text) => JSON.stringify(text)).join(', ')}: ${inferred.because}`
      : 'by the schema or the table'
    return { name: `${column}${from}`, type, why: inferred?.values === 0 ? inferred.because : why }
  })
  const longest = (texts: string[]) => Math.max(...texts.map((text) => text.length))
  const names = longest(shown.map(({ name }) => name))
  const types = longest(shown.map(({ type }) => type))
  return shown.map(({ name, type, why }) => `${name.padEnd(names)}  ${type.padEnd(types)}  ${why}`)
}

function rejectLines({ rejects, rejected }: CheckReport): string[] {
  const reasons = rejects.map(({ line, errors }) => {
    const { column, message } = errors[0]!
    const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : ''
    return `  line ${line}: ${column === null ? '' : `${column}: `}${message.replaceAll('\n', ' ')}${more}`
  })
  return rejected > rejects.length && rejects.length > 0 ? [...reasons, '  …'] : reasons
}
