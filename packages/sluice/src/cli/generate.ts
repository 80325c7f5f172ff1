import { type Command, Option } from 'commander'
import { generate } from '../generate/generate.ts'
import { customerSchemaText } from '../generate/schema.ts'
import { usageError } from './failure.ts'
import { writeOut } from './standard-output.ts'
import * as read from './values.ts'

interface GenerateFlags {
  rows?: number
  bad: number
  duplicates: number
  seed: number
  schema?: true
}

const EXAMPLES = `
Examples:
  sluice generate --rows 1000000 > customers.csv
  sluice generate --rows 1000000 --bad 1% --duplicates 0.5% --seed 7 | gzip > customers.csv.gz
  sluice generate --schema > customers.schema.json

The same flags give the same file. Its counts go to standard error:
  rows=1000000 bad=10000 duplicates=5000 sound=985000 seed=7`

export function addGenerate(program: Command): void {
  program
    .command('generate')
    .summary('make a sample file')
    .description(
      'Print a sample CSV file of customers: 11 columns, the first one "id", 1 to N. Of the records exactly the given ' +
        'shares are bad, or repeat the id of an earlier sound one; none is both.',
    )
    .option('--rows <n>', 'records, the header not counted', read.wholeNumber('--rows', 0))
    .addOption(new Option('--bad <p%>', 'share of bad records').argParser(read.percent('--bad')).default(0, '0%'))
    .addOption(
      new Option('--duplicates <p%>', 'share of repeated ids').argParser(read.percent('--duplicates')).default(0, '0%'),
    )
    .addOption(
      new Option('--seed <s>', 'another seed, another file').argParser(read.wholeNumber('--seed', 0)).default(1),
    )
    .option('--schema', 'print the schema file of the sample instead, whatever else is given')
    .addHelpText('after', EXAMPLES)
    .action(runGenerate)
}

async function runGenerate(flags: GenerateFlags): Promise<void> {
  if (flags.schema) {
    await writeOut([customerSchemaText()])
    return
  }
  const { rows, seed } = flags
  if (rows === undefined) throw usageError('generate needs --rows N, or --schema')
  const bad = Math.round((rows * flags.bad) / 100)
  const duplicates = Math.round((rows * flags.duplicates) / 100)
  const sound = rows - bad - duplicates
  if (sound < 0 || (duplicates > 0 && sound === 0)) {
    throw usageError(
      `--bad and --duplicates leave no sound record among ${rows} whose id could be repeated; lower them`,
    )
  }
  if (!(await writeOut(generate({ rows, bad, duplicates, seed })))) return
  process.stderr.write(`rows=${rows} bad=${bad} duplicates=${duplicates} sound=${sound} seed=${seed}\n`)
}
