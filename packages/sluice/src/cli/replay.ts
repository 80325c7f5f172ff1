import { isJobId, type ReplayReceipt, replay, SluiceError } from '@sluice/engine'
import { type Command, Option } from 'commander'
import { type Config, databaseUrl } from '../config.ts'
import { toFailure, usageError } from './failure.ts'
import { exitCodeOf, listenForInterrupt } from './interrupt.ts'
import { count, printable } from './plain-text.ts'
import { openSources } from './sources.ts'

const EXAMPLES = `
Examples:
  sluice rejects 7d3f1c9e-52a4-4b9c-9a8e-2b6f0d1c4e55 > rejects.csv      then correct the cells
  sluice replay rejects.csv --job 7d3f1c9e-52a4-4b9c-9a8e-2b6f0d1c4e55
  sluice rejects 7d3f1c9e-52a4-4b9c-9a8e-2b6f0d1c4e55 --ndjson > rejects.ndjson      then correct "raw"

CSV: sluice_record says which record a line is; the other columns of sluice are not loaded. A record that could not be
taken apart stands whole in the first column: correct it there, or move its cells into their columns.
What is refused again stays among the rejects. Running the same command again loads nothing twice.`

interface ReplayFlags {
  job?: string
  to?: string
  write?: 'copy' | 'unnest'
  json?: true
  quiet?: true
}

export function addReplay(program: Command, config: Config): void {
  program
    .command('replay')
    .summary('load corrected rejects')
    .description('Load corrected rejects of a job, in either form in which "sluice rejects" prints them.')
    .argument('<file>', 'corrected rejects, or - for standard input')
    .option('--job <jobId>', 'the job that they are of')
    .option('--to <url>', 'database of the job (default: $DATABASE_URL, else sqlite:sluice.db)')
    .addOption(new Option('--write <way>', 'PostgreSQL only (default: copy)').choices(['copy', 'unnest']))
    .option('--json', 'the receipt as JSON')
    .option('--quiet', 'nothing but errors (and the JSON receipt, with --json)')
    .addHelpText('after', EXAMPLES)
    .action(async (file: string, flags: ReplayFlags) => {
      process.exitCode = await runReplay(file, flags, config)
    })
}

async function runReplay(file: string, flags: ReplayFlags, config: Config): Promise<number> {
  const { job, write } = flags
  if (job === undefined) throw usageError('replay needs --job, the id of the job; "sluice jobs" lists them')
  if (!isJobId(job)) {
    throw usageError(`"${job}" is not a job id; "sluice jobs" lists them`)
  }
  const to = databaseUrl(flags.to, config)
  using interrupt = listenForInterrupt(
    () => process.stderr.write('sluice: stopping behind the transaction in flight; interrupt again to stop at once\n'),
    () => undefined,
  )
  const { source } = await openSources([file], config, interrupt.signal)
  if (Array.isArray(source)) throw usageError(`${file} stands for ${source.length} files; replay takes one`)
  try {
    const receipt = await replay({ source, jobId: job.toLowerCase(), to, write, signal: interrupt.signal })
    if (flags.json) process.stdout.write(`${JSON.stringify(receipt)}\n`)
    else if (!flags.quiet) process.stdout.write(receiptText(receipt, file))
    return 0
  } catch (error) {
    const by = interrupt.received()
    if (by === null || !(error instanceof SluiceError && error.code === 'SLUICE_INTERRUPTED')) throw error
    process.stderr.write(`sluice: ${toFailure(error, config.debug).message}\n`)
    return exitCodeOf(by)
  }
}

function receiptText(receipt: ReplayReceipt, file: string): string {
  const { replay: done, rejectsByCode } = receipt
  const codes = Object.entries(rejectsByCode).map(([code, n]) => `${code} ${count(n)}`)
  const lines: [string, number, string?][] = [
    ['records', done.records],
    ['loaded', done.loaded],
    ['refused', done.refused],
  ]
  if (done.skipped > 0) lines.push(['skipped', done.skipped, 'no open rejects of the job'])
  lines.push(['inserted', receipt.inserted, `of ${count(receipt.recordsRead)} records of the job`])
  lines.push(['rejected', receipt.rejected, codes.join(', ')])
  const width = Math.max(...lines.map(([, value]) => count(value).length))
  const block = lines.map(([label, value, note]) =>
    `  ${label.padEnd(13)}${count(value).padStart(width)}${note ? `   ${note}` : ''}`.trimEnd(),
  )
  return `${printable(`${file} → ${receipt.table}`)}\n${block.join('\n')}\n  ${'job'.padEnd(13)}${receipt.jobId}\n`
}
