import { basename, sep } from 'node:path'
import type { Receipt, StoredReject } from '@sluice/engine'
import { withoutPassword } from '../config.ts'
import { count, duration, printable, shellWord } from './plain-text.ts'

export interface ReceiptContext {
  /** The first of the job's rejects. */
  rejects: StoredReject[]
  /** The value of --to, of --rejects and of --reject-table, where they were given. */
  to: string | undefined
  rejectsFile: string | undefined
  rejectTable: string | undefined
}

function shortened(source: string): string {
  return source.replaceAll(process.cwd() + sep, '')
}

/** The receipt as a short block for people. */
export function receiptText(receipt: Receipt, context: ReceiptContext): string {
  if (receipt.skipped) {
    return printable(
      `${shortened(receipt.source)} → ${receipt.table}: loaded already, by job ${receipt.jobId}; skipped\n`,
    )
  }
  const lines: [string, string][] = [
    ['records read', count(receipt.recordsRead)],
    ['inserted', count(receipt.inserted)],
  ]
  if (receipt.updated > 0) lines.push(['updated', count(receipt.updated)])
  if (receipt.unchanged > 0) lines.push(['unchanged', count(receipt.unchanged)])
  if (receipt.duplicates > 0) lines.push(['duplicates', count(receipt.duplicates)])
  lines.push(['rejected', count(receipt.rejected)])

  const width = Math.max(...lines.map(([, value]) => value.length))
  const block = lines.map(([label, value]) => `  ${label.padEnd(13)}${value.padStart(width)}`)
  if (receipt.rejected > 0) block[block.length - 1] += `   ${byCode(receipt.rejectsByCode)}`
  block.push(`  ${'time'.padEnd(13)}${duration(receipt.elapsedMs)}, ${count(Math.round(receipt.rowsPerSecond))} rows/s`)
  if (receipt.resumedAtRecord > 0) block.push(`  ${'resumed at'.padEnd(13)}record ${count(receipt.resumedAtRecord)}`)
  block.push(`  ${'job'.padEnd(13)}${receipt.jobId}`)

  block.unshift(printable(`${shortened(receipt.source)} → ${receipt.table}`))
  const rejects = receipt.rejected > 0 ? rejectsText(receipt, context) : ''
  return `${block.join('\n')}\n${rejects}`
}

function rejectsText({ jobId, rejected }: Receipt, { rejects, to, rejectsFile, rejectTable }: ReceiptContext): string {
  const reasons = rejects.map(({ line, errors }) => {
    const { column, message } = errors[0]!
    const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : ''
    return `  line ${line}: ${column === null ? '' : `${column}: `}${printable(message).replaceAll('\n', ' ')}${more}\n`
  })
  if (rejected > rejects.length && rejects.length > 0) reasons.push('  …\n')
  const also = rejectsFile === undefined ? '' : ` and in ${rejectsFile}`
  const command = ['rejects', jobId, ...(to === undefined ? [] : ['--to', shellWord(withoutPassword(to))])]
  const place = `the table ${printable(rejectTable ?? 'failed_imports')}${also}`
  return `${reasons.join('')}All rejects are in ${place}. To see them:\n  ${sluice()} ${command.join(' ')}\n`
}

/** How the user calls sluice: npx leaves its mark in the environment. */
function sluice(): string {
  return process.env['npm_command'] === 'exec' ? 'npx sluice' : basename(process.argv[1] ?? 'sluice', '.js')
}

function byCode(counts: Record<string, number>): string {
  const sorted = Object.entries(counts).sort(([, a], [, b]) => b - a)
  return sorted.map(([code, n]) => `${code} ${count(n)}`).join(', ')
}
