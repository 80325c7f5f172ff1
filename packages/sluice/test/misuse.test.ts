import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { temporaryFolder } from '../../engine/test/support/temporary-folder.ts'
import { sluice } from './sluice.ts'

const folder = temporaryFolder()
writeFileSync(join(folder, 'a.csv'), 'id,name\n1,x\n')
writeFileSync(join(folder, 'b.csv'), 'id,name\n2,y\n')
writeFileSync(join(folder, 'list.json'), '[]')
writeFileSync(join(folder, 'typo.json'), '{ "tabel": "x" }')
writeFileSync(join(folder, 'rows.json'), '{ "batchRows": "many" }')
writeFileSync(join(folder, 'dialect.json'), '{ "dialect": { "separator": ";" } }')
writeFileSync(join(folder, 'broken.json'), '{')
mkdirSync(join(folder, 'in'))

/** Each line: the arguments, and what the one sentence on standard error must be. */
const CASES: [string[], RegExp][] = [
  [['laod', 'a.csv'], /^unknown command laod; did you mean load\?$/],
  [['--foo'], /^unknown option --foo$/],
  [['load'], /^missing required argument file$/],
  [['load', 'a.csv', '--tabel', 'x'], /^unknown option --tabel; did you mean --table\?$/],
  [['load', 'a.csv', '--table'], /^--table needs a value$/],
  [['load', 'a.csv', '--table', '--key', 'id'], /^--table needs a value, but the next word is --key$/],
  [['load', 'none.csv'], /^There is no file none\.csv$/],
  [['load', 'x*.csv'], /^No file matches x\*\.csv$/],
  [['load', 'in'], /^in is a folder; name its files, e\.g\. 'in\/\*\.csv'$/],
  [['load', 'a.csv', '-'], /^- \(standard input\) cannot be loaded together with files$/],
  [['load', '-'], /give --table$/],
  [['load', 'a.csv', './a.csv'], /^\.\/a\.csv is named twice/],
  [['load', 'ftp://host/a.csv'], /^"ftp:\/\/" cannot be read/],
  [['load', 'a.csv', '--to', 'mysql://me:secret@host/shop'], /^--to has the unknown scheme "mysql:"; use sqlite:PATH/],
  [['load', 'a.csv', '--to', 'out.db'], /here perhaps sqlite:out\.db$/],
  [['load', 'a.csv', '--to', 'sqlite:'], /^--to names no file/],
  [['load', 'a.csv', '--mode', 'upsert'], /^--mode takes append or replace, not "upsert"$/],
  [['load', 'a.csv', '--write', 'insert'], /^--write takes copy or unnest, not "insert"$/],
  [['load', 'a.csv', '--unknown-columns', 'drop'], /^--unknown-columns takes reject, ignore or metadata, not "drop"$/],
  [['load', 'a.csv', '--format', 'xml'], /^--format takes csv, tsv, json or ndjson, not "xml"$/],
  [['load', 'a.json', '--format', 'json', '--null', 'x'], /^--null is for delimited text, and means nothing in JSON$/],
  [['load', 'a.json', '--format', 'ndjson', '--json-path', 'a'], /^--json-path is for --format json, not ndjson$/],
  [['load', 'a.csv', '--progress', 'text'], /^--progress takes json, not "text"$/],
  [['load', 'a.csv', '--format', 'csv', '--delimiter', ';'], /give one of them$/],
  [['load', 'a.csv', '--delimiter', '123456789'], /^--delimiter takes 1 to 8 bytes/],
  [['check', 'a.csv', '--skip-lines', 'x'], /^--skip-lines takes a whole number from 0/],
  [['check', 'a.csv', '--emit-schema', 'a.csv'], /would overwrite the source/],
  [
    ['check', 'a.csv', '--quiet', '--emit-schema', 'none/a.json'],
    /^The schema cannot be written to none\/a\.json: ENOENT/,
  ],
  [['serve', '--port', '65536'], /^--port takes a whole number from 0 to 65535, not "65536"$/],
  [['worker', '--concurrency', '1'], /^--concurrency takes a whole number from 2 to 64, not "1"$/],
  [['load', 'a.csv', '--quote', '«'], /^--quote takes one ASCII character/],
  [['load', 'a.csv', '--comment', '//'], /^--comment takes one ASCII character/],
  [['load', 'a.csv', '--batch-rows', '0'], /^--batch-rows takes a whole number from 1, not "0"$/],
  [['load', 'a.csv', '--limit', 'ten'], /^--limit takes a whole number from 1, not "ten"$/],
  [['load', 'a.csv', '--max-record-bytes', '16 tons'], /^--max-record-bytes takes a number of bytes/],
  [['load', 'a.csv', '--max-errors', '101%'], /^--max-errors takes a number of records/],
  [['load', 'a.csv', '--map', 'name'], /^--map takes header=column, not "name"$/],
  [['load', 'a.csv', '--map', 'id=a', '--map', 'id=b'], /^--map is given twice for "id"$/],
  [['load', 'a.csv', '--map', 'id=a', '--map', 'name=a'], /^--map sends two headers to the column "a"$/],
  [['load', 'a.csv', '--map', 'id=a', '--skip', 'id'], /both mapped \(--map\) and left out \(--skip\)$/],
  [['load', 'a.csv', '--map', 'id=a', '--set', 'a=1'], /both filled by --map and by --set$/],
  [['load', 'a.csv', '--set', 'tenant'], /^--set takes column=value, not "tenant"$/],
  [['load', 'a.csv', '--key', 'id,'], /^--key takes names separated by commas/],
  [['load', 'a.csv', '--rejects', './a.csv'], /would overwrite the source; name another file$/],
  [['load', 'a.csv', '--schema', 'none.json'], /^The schema none\.json does not exist$/],
  [['load', 'a.csv', '--schema', 'in'], /^The schema in cannot be read: /],
  [['load', 'a.csv', '--schema', 'broken.json'], /^The schema broken\.json is not JSON: /],
  [['load', 'a.csv', '--schema', 'list.json'], /^list\.json is \[\]; it must be a JSON object$/],
  [['load', 'a.csv', '--profile', 'shop'], /SLUICE_PROFILES names no folder/],
  [['load', 'a.csv', '--profile', 'list.json'], /^list\.json is \[\]; it must be a JSON object$/],
  [['load', 'a.csv', '--profile', 'typo.json'], /^typo\.json has no key "tabel"; its keys are table, schema, /],
  [['load', 'a.csv', '--profile', 'rows.json'], /^rows\.json: batchRows is "many"; it must be a whole number from 1$/],
  [['load', 'a.csv', '--profile', 'dialect.json'], /^dialect\.json: dialect has no key "separator"/],
  [
    ['load', 'a.csv', '--dedupe', 'key', '--on-conflict', 'update', '--key', 'id'],
    /^--dedupe key keeps the first of equal records, and --on-conflict update the last; give one of them$/,
  ],
  [['jobs', '--to', 'sqlite:none.db'], /^There is no database file none\.db/],
  [['jobs', 'purge'], /^too many arguments for jobs/],
  [['jobs', 'prune'], /^jobs prune needs --older-than/],
  [['jobs', 'prune', '--older-than', '30'], /^--older-than takes an age such as 30d/],
  [['rejects'], /^missing required argument jobId$/],
  [['rejects', '12'], /is not a job id/],
  [['generate'], /^generate needs --rows N, or --schema$/],
  [['generate', '--rows', '-5'], /^--rows takes a whole number from 0, not "-5"$/],
  [['generate', '--rows', '5', '--bad', '0.01'], /^--bad takes a share such as 1%, not "0\.01"$/],
  [['generate', '--rows', '5', '--bad', '60%', '--duplicates', '60%'], /leave no sound record/],
  [['generate', '--rows', '5', '6'], /^too many arguments for generate/],
]

describe('each misuse is said in one sentence, and ends with 2', { concurrency: 2 }, () => {
  for (const [args, sentence] of CASES) {
    test(`sluice ${args.join(' ')}`, async () => {
      const { code, stdout, stderr } = await sluice(args, { cwd: folder })
      assert.match(stderr, /^sluice: [^\n]*\n$/)
      assert.match(stderr.slice('sluice: '.length, -1), sentence)
      assert.doesNotMatch(stderr, /secret/)
      assert.equal(stdout, '')
      assert.equal(code, 2)
    })
  }
})

test('DATABASE_URL is named where it is what is wrong', async () => {
  const { code, stderr } = await sluice(['load', 'a.csv'], { cwd: folder, env: { DATABASE_URL: 'redis://x' } })
  assert.match(stderr, /^sluice: DATABASE_URL has the unknown scheme "redis:"/)
  assert.equal(code, 2)
})
