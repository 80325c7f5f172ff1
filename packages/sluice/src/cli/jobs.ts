import { type Job, JobStore, pruneJobs } from '@sluice/engine'
import type { Command } from 'commander'
import type { Config } from '../config.ts'
import { withDatabase } from './database.ts'
import { usageError } from './failure.ts'
import { count, printable } from './plain-text.ts'
import { writeOut } from './standard-output.ts'
import * as read from './values.ts'

const EXAMPLES = `
Examples:
  sluice jobs --to postgres://me@host/shop
  sluice jobs prune --older-than 30d        removes their rejects, too; the loaded rows stay`

const TO = '--to <url>'
const TO_TEXT = 'database of the jobs (default: $DATABASE_URL, else sqlite:sluice.db)'

export function addJobs(program: Command, config: Config): void {
  const jobs = program
    .command('jobs')
    .summary('list jobs, or remove old ones')
    .description('List the jobs of a database, the newest first.')
    .option(TO, TO_TEXT)
    .option('--limit <n>', 'how many (default: 100)', read.wholeNumber('--limit', 1))
    .option('--json', 'as a JSON array')
    .addHelpText('after', EXAMPLES)
    .action((flags: { to?: string; limit?: number; json?: true }) => listJobs(flags, config))

  jobs
    .command('prune')
    .description('Remove jobs that are not running, with their checkpoints and rejects. The loaded rows stay.')
    .option('--older-than <age>', 'time since anything happened to them, e.g. 30d, 12h', read.age('--older-than'))
    .option(TO, TO_TEXT)
    .action(async (_: object, command: Command) => {
      // --to may stand before `prune` too.
      const flags: { to?: string; olderThan?: number } = command.optsWithGlobals()
      if (flags.olderThan === undefined) throw usageError('jobs prune needs --older-than, e.g. --older-than 30d')
      const { to, olderThan } = flags
      const removed = await withDatabase(to, config, (database) => pruneJobs(database, olderThan))
      process.stdout.write(`${count(removed)} ${removed === 1 ? 'job' : 'jobs'} removed\n`)
    })
}

async function listJobs(flags: { to?: string; limit?: number; json?: true }, config: Config): Promise<void> {
  const { to, limit } = flags
  const jobs = await withDatabase(to, config, (database) => new JobStore(database).list({ limit }))
  await writeOut([flags.json ? `${JSON.stringify(jobs)}\n` : jobTable(jobs)])
}

function jobTable(jobs: Job[]): string {
  if (jobs.length === 0) return 'no jobs\n'
  const rows = [
    ['job', 'status', 'read', 'inserted', 'rejected', 'updated at', 'source → table'],
    ...jobs.map((job) => [
      job.jobId,
      job.status,
      count(job.recordsRead),
      count(job.inserted),
      count(job.rejected),
      job.updatedAt,
      printable(`${job.source} → ${job.targetTable}${job.error === null ? '' : `: ${job.error}`}`).replaceAll(
        '\n',
        ' ',
      ),
    ]),
  ]
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  const isNumber = (column: number) => column >= 2 && column <= 4
  const cell = (text: string, column: number) => {
    if (column === widths.length - 1) return text
    return isNumber(column) ? text.padStart(widths[column]!) : text.padEnd(widths[column]!)
  }
  return `${rows.map((row) => row.map(cell).join('  ')).join('\n')}\n`
}
