import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { command } from '../../scripts/commands.ts'
import { type Sample, WORK } from '../sample.ts'
import type { Subject } from '../subject.ts'

export function pgloader(sample: Sample, url: string): Subject {
  const commands = join(WORK, 'pgloader.load')
  writeFileSync(
    commands,
    `LOAD CSV FROM '${sample.path}' INTO ${url} TARGET TABLE public.customers
     WITH skip header = 1, fields optionally enclosed by '"', fields escaped by double-quote, fields terminated by ','
     SET work_mem to '32MB';`,
  )
  return { name: 'pgloader', command: [command('pgloader', 'pgloader'), '--quiet', commands] }
}
