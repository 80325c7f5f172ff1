import { isJobId, JobStore, rejectsCsv, SluiceError } from '@sluice/engine'
import type { Command } from 'commander'
import type { Config } from '../config.ts'
import { rejectLines } from '../reject-json.ts'
import { withDatabase } from './database.ts'
import { usageError } from './failure.ts'
import { writeOut } from './standard-output.ts'

const EXAMPLES = `
Examples:
  sluice rejects 7d3f1c9e-52a4-4b9c-9a8e-2b6f0d1c4e55 > rejects.csv
  sluice rejects 7d3f1c9e-52a4-4b9c-9a8e-2b6f0d1c4e55 --ndjson | jq .errors

CSV: the columns of the sources, then sluice_record, sluice_line, sluice_column, sluice_code, sluice_message,
sluice_guarded: the cells that got an apostrophe, so that no spreadsheet takes them for a formula, sluice_source, and
sluice_escaped: the cells in which bytes that are not UTF-8 stand as \\xHH.
NDJSON: every error of each record, and its bytes: "raw", or "rawBase64" where they are no text.`

interface RejectsFlags {
  to?: string
  ndjson?: true
}

export function addRejects(program: Command, config: Config): void {
  program
    .command('rejects')
    .summary('the records that a job did not load')
    .description('Print the records that a job did not load, with the reasons.')
    .argument('<jobId>', 'as in the receipt; "sluice jobs" lists them')
    .option('--to <url>', 'database of the job (default: $DATABASE_URL, else sqlite:sluice.db)')
    .option('--ndjson', 'lossless: a JSON object a line (default: CSV)')
    .addHelpText('after', EXAMPLES)
    .action((jobId: string, flags: RejectsFlags) => printRejects(jobId, flags, config))
}

async function printRejects(jobId: string, flags: RejectsFlags, config: Config): Promise<void> {
  if (!isJobId(jobId)) {
    throw usageError(`"${jobId}" is not a job id; "sluice jobs" lists them`)
  }
  await withDatabase(flags.to, config, async (database) => {
    const store = new JobStore(database)
    const job = await store.read(jobId.toLowerCase())
    if (job === undefined) throw new SluiceError('SLUICE_JOB', `There is no job ${jobId} in ${database.label}`)
    const pages = store.rejects(job.jobId, { open: true })
    await writeOut(flags.ndjson ? rejectLines(job, pages) : rejectsCsv(job, pages))
  })
}
