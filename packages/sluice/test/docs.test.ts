import assert from 'node:assert/strict'
import { existsSync, globSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, test } from 'node:test'
import * as engine from '@sluice/engine'
import { REASONS } from '../../engine/src/reject/messages.ts'
import { REJECT_CODES } from '../../engine/src/reject/reject.ts'
import { FIELD_TYPES, TRANSFORMS } from '../../engine/src/schema/field.ts'
import { temporaryFolder } from '../../engine/test/support/temporary-folder.ts'
import { createServiceTables } from '../src/jobs/tables.ts'
import { anchors, links, page, pages, quoted, ROOT, section, tableRows } from './documents.ts'
import { sluice } from './sluice.ts'

const { createTables, ERRORS, openDatabase } = engine
const first = (rows: string[][]) => rows.flatMap((row) => quoted(row[0]!))
const sorted = (words: Iterable<string>) => [...new Set(words)].sort()

describe('docs/reference/errors.md', () => {
  const errors = page('docs/reference/errors.md')

  test('has every error with its exit code', () => {
    const expected = Object.entries(ERRORS).map(([code, { exit, what }]) => [`\`${code}\``, String(exit), what])
    assert.deepEqual(tableRows(section(errors, '## Errors')), expected)
  })

  test('has every exit code', () => {
    const codes = tableRows(section(errors, '## Exit codes')).map(([code]) => Number(code))
    assert.deepEqual(
      codes,
      [...new Set([0, ...Object.values(ERRORS).map(({ exit }) => exit)])].sort((a, b) => a - b),
    )
  })

  test('has every reject code, and every reason with its code', () => {
    const rows = tableRows(section(errors, '## Reject codes'))
    const codes = rows.slice(0, REJECT_CODES.length)
    const reasons = rows.slice(REJECT_CODES.length)
    assert.deepEqual(first(codes), [...REJECT_CODES])
    assert.deepEqual(
      reasons.map(([reason, code]) => [...quoted(reason!), ...quoted(code!)]),
      REASONS.map((one) => [...one]),
    )
  })
})

describe('docs/reference/cli.md', () => {
  const cli = page('docs/reference/cli.md')

  for (const command of ['load', 'check', 'rejects', 'replay', 'jobs', 'jobs prune', 'serve', 'worker', 'generate']) {
    test(`has the flags of sluice ${command}, and no others`, async () => {
      const { stdout } = await sluice([...command.split(' '), '--help'])
      const inHelp = [...stdout.matchAll(/^ {2}(?:-\w, )?(--[a-z-]+(?: <[^>]+>)?) /gm)].map(([, flag]) => flag!)
      const inPage = first(tableRows(section(cli, `## sluice ${command}`)))
      assert.deepEqual(
        inPage,
        inHelp.filter((flag) => flag !== '--help'),
      )
    })
  }

  test('has every command', async () => {
    const { stdout } = await sluice(['--help'])
    const commands = [
      ...section(`${stdout}\n`.replace('Commands:', '# Commands'), '# Commands').matchAll(/^ {2}([a-z]+) /gm),
    ]
    const own = commands.map(([, name]) => name!).filter((name) => name !== 'help' && name !== 'sluice')
    const described = [...cli.matchAll(/^## sluice (.*)$/gm)].map(([, name]) => name!)
    assert.deepEqual(sorted(described), sorted([...own, 'jobs prune']))
  })
})

test('docs/reference/tables.md has every table and column, in their order', async () => {
  const path = join(temporaryFolder(), 'tables.db')
  const database = await openDatabase(`sqlite:${path}`)
  await createTables(database)
  await createServiceTables(database)
  await database.close()
  const text = page('docs/reference/tables.md')
  using db = new DatabaseSync(path, { readOnly: true })
  const tables = db.prepare(`SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY rowid`).all()
  const described = [...text.matchAll(/^## (\w+)$/gm)].map(([, name]) => name)
  assert.deepEqual(
    described,
    tables.map(({ name }) => name),
  )
  for (const { name } of tables) {
    const columns = db.prepare('SELECT name FROM pragma_table_info(?)').all(name!)
    assert.deepEqual(
      first(tableRows(section(text, `## ${name}`))),
      columns.map((column) => column.name),
    )
  }
})

test('docs/reference/schema.md has every type and transform, and every key of a profile', () => {
  const text = page('docs/reference/schema.md')
  const words = first(tableRows(text))
  for (const word of [...FIELD_TYPES, ...TRANSFORMS]) assert.ok(words.includes(word), word)
  const [, keys] = /its keys are (.*)$/.exec(messageOf(() => engine.parseProfile({ tabel: 'x' })))!
  assert.deepEqual(sorted(first(tableRows(section(text, '## Profiles')))), sorted(keys!.split(', ')))
})

test('docs/reference/library.md has every option and every export', () => {
  const text = page('docs/reference/library.md')
  for (const [heading, file, name] of [
    ['## load(options)', 'options.ts', 'LoadOptions'],
    ['## replay(options)', 'replay.ts', 'ReplayOptions'],
  ] as const) {
    const source = page(join('packages/engine/src', file))
    const [, body] = new RegExp(`interface ${name} \\{([\\s\\S]*?)^\\}`, 'm').exec(source)!
    const names = [...body!.matchAll(/^ {2}(\w+)\??:/gm)].map(([, option]) => option!)
    assert.deepEqual(first(tableRows(section(text, heading))), names)
  }
  const index = page('packages/engine/src/index.ts')
  const exported = [...index.matchAll(/\{([^}]*)\}/g)].flatMap(([, list]) => list!.split(','))
  for (const name of exported.map((one) => one.replace('type ', '').trim())) {
    assert.ok(new RegExp(`\\b${name}\\b`).test(text), name)
  }
})

test('docs/reference/configuration.md has every variable that the code reads', () => {
  const files = globSync('packages/*/src/**/*.ts', { cwd: ROOT }).map(page)
  const read = files.flatMap((file) => [
    ...[...file.matchAll(/\benv(?:\.|\[|,\s*)'?([A-Z][A-Z0-9_]+)/g)].map(([, name]) => name!),
    ...[...file.matchAll(/setting\('\w+', '([A-Z_]+)'/g)].map(([, name]) => name!),
  ])
  // Of the terminal, not of sluice.
  const own = read.filter((name) => name !== 'TERM')
  const described = quoted(page('docs/reference/configuration.md')).filter((word) => /^[A-Z][A-Z0-9_]+$/.test(word))
  assert.deepEqual(sorted(described), sorted(own))
})

test('the size of batches is told as it is', () => {
  const source = page('packages/engine/src/load-segment.ts')
  const [, rows] = /^const BATCH_ROWS = ([\d_]+)$/m.exec(source)!
  const [, postgres, sqlite] =
    /^const BATCH_BYTES = \{ postgres: (\d+) \* 1024 \* 1024, sqlite: ([\d.]+) \* 1024 \* 1024 \}$/m.exec(source)!
  for (const path of ['README.md', 'ARCHITECTURE.md', 'docs/guide.md', 'docs/decisions/0010-batch-size.md']) {
    for (const told of [rows!.replaceAll('_', ','), `${postgres} MiB`, `${sqlite} MiB`]) {
      assert.ok(page(path).includes(told), `${path} does not tell ${told}`)
    }
  }
})

for (const path of pages()) {
  test(`the links of ${path} lead somewhere`, () => {
    for (const link of links(page(path)).filter((one) => !/^https?:/.test(one))) {
      const [file, anchor] = link.split('#')
      const target = file === '' ? path : relative(ROOT, join(ROOT, dirname(path), file!))
      assert.ok(existsSync(join(ROOT, target)), `${link}: there is no ${target}`)
      if (anchor !== undefined) assert.ok(anchors(page(target)).includes(anchor), `${link}: there is no such heading`)
    }
  })
}

test('every script that the documentation names is there', () => {
  const { scripts } = JSON.parse(page('package.json'))
  for (const path of pages()) {
    const named = [...page(path).matchAll(/npm run ([a-z:-]+)/g)].map(([, name]) => name!)
    for (const name of named) assert.ok(name in scripts, `${path}: npm run ${name}`)
  }
})

function messageOf(work: () => unknown): string {
  try {
    work()
  } catch (error) {
    return (error as Error).message
  }
  return ''
}
