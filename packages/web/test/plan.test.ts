import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseProfile } from '../../engine/src/schema/profile.ts'
import { parseTableSchema } from '../../engine/src/schema/table-schema.ts'
import { FORMATS } from '../src/file/infer.ts'
import { look, profileOf, settingsOf, type Target, tableOf } from '../src/import/plan.ts'

const sample = (text: string) => ({ text, complete: true, encoding: 'utf-8', compression: 'none' as const })
const people = () => look(sample('id;mail;born;pay\n1;a@b.example;01.02.1990;1.234,5\n2;;;\n'), {})
const target: Target = {
  table: 'people',
  profile: '',
  key: [],
  onConflict: 'reject',
  dedupe: 'none',
  replace: false,
  atomic: false,
  maxErrors: '',
}

test('what is seen and not changed is said as it was seen, and no more', () => {
  assert.deepEqual(settingsOf(people(), 'utf-8', target), { table: ['people'], delimiter: [';'], header: ['true'] })
})

test('names that differ are mapped, and columns left out are named', () => {
  const view = people()
  view.columns[1]!.target = 'email'
  view.columns[3]!.take = false
  const { map, skip, schema } = settingsOf(view, 'utf-8', target)
  assert.deepEqual({ map, skip, schema }, { map: ['mail=email'], skip: ['pay'], schema: undefined })
})

test('one type that is chosen makes a schema of all columns', () => {
  const view = people()
  Object.assign(view.columns[2]!, { type: 'date', dateFormat: '%d.%m.%Y' })
  Object.assign(view.columns[3]!, { type: 'number-comma' })
  assert.deepEqual(JSON.parse(settingsOf(view, 'utf-8', target)['schema']![0]!).fields, [
    { name: 'id', type: 'integer' },
    { name: 'mail', type: 'string' },
    { name: 'born', type: 'date', format: ['%d.%m.%Y'] },
    { name: 'pay', type: 'number', decimalChar: ',', groupChar: '.' },
  ])
})

test('each way to write a date or a time that can be chosen is one that sluice reads', () => {
  for (const type of ['date', 'datetime'] as const) {
    for (const dateFormat of FORMATS[type]!) {
      const view = people()
      Object.assign(view.columns[2]!, { type, dateFormat })
      const { fields } = parseTableSchema(JSON.parse(settingsOf(view, 'utf-8', target)['schema']![0]!))
      assert.deepEqual(fields[2]!.format, [dateFormat])
    }
  }
})

test('a key may have several columns, and equal rows are told by it only where there is one', () => {
  const settings = settingsOf(people(), 'utf-8', { ...target, key: ['id', 'mail'], onConflict: 'skip', dedupe: 'key' })
  assert.deepEqual([settings['key'], settings['onConflict'], settings['dedupe']], [['id,mail'], ['skip'], ['key']])
  assert.equal(settingsOf(people(), 'utf-8', { ...target, dedupe: 'key' })['dedupe'], undefined)
})

test('the profile that is saved is one that sluice takes', () => {
  const all = {
    ...target,
    key: ['id'],
    onConflict: 'update',
    dedupe: 'content',
    atomic: true,
    maxErrors: '1%',
  } as const
  const profile = parseProfile(JSON.parse(JSON.stringify(profileOf(people(), 'windows-1252', { ...all, key: ['id'] }))))
  assert.deepEqual(profile.key, ['id'])
  assert.deepEqual(profile.maxErrors, { percent: 1 })
  assert.deepEqual(profile.dialect, { encoding: 'windows-1252', delimiter: ';', header: true })
  assert.equal(profile.dedupe, 'content')
})

test('a table is named after its file', () => {
  assert.equal(tableOf('my orders-2026.csv.gz'), 'my_orders_2026')
})
