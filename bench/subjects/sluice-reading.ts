import { execFileSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { type Sample, SLUICE } from '../sample.ts'
import type { Subject } from '../subject.ts'

const SETTINGS = ['--table', 'customers', '--batch-rows', '50000', '--quiet']

/** Nothing is said of the file: dialect and types are found out. */
export function sluiceSniffing({ path }: Sample, to: string): Subject {
  return {
    name: 'sluice, nothing given',
    command: [process.execPath, SLUICE, 'load', path, '--to', to, ...SETTINGS],
  }
}

/** The same load with everything said: each part of the dialect, and the types that {@link sluiceSniffing} finds. */
export function sluiceTold({ path }: Sample, to: string): Subject {
  const schema = `${path}.inferred.json`
  if (!existsSync(schema)) execFileSync(process.execPath, [SLUICE, 'check', path, '--emit-schema', schema])
  const profile = `${path}.profile.json`
  const dialect = {
    format: 'delimited',
    delimiter: ',',
    quote: '"',
    escape: null,
    comment: null,
    header: true,
    lineEnd: 'lf',
    skipLines: 0,
    trailingDelimiter: false,
    nullWords: [''],
  }
  writeFileSync(profile, JSON.stringify({ schema, dialect }))
  const told = ['--profile', profile, '--encoding', 'utf-8']
  return {
    name: 'sluice, all given',
    command: [process.execPath, SLUICE, 'load', path, '--to', to, ...told, ...SETTINGS],
  }
}

/** A packed sample, unpacked by `zcat` in a process of its own. */
export function sluiceBehindZcat(packed: Sample, to: string): Subject {
  const { command } = sluicePacked(packed, to)
  return {
    name: 'zcat | sluice load -',
    command: [
      'sh',
      '-c',
      'zcat "$0" | "$@"',
      packed.path,
      ...command.map((word) => (word === packed.path ? '-' : word)),
    ],
  }
}

/** A packed sample, unpacked by sluice. */
export function sluicePacked({ path, schema }: Sample, to: string): Subject {
  return {
    name: 'sluice load customers.csv.gz',
    command: [process.execPath, SLUICE, 'load', path, '--to', to, '--schema', schema, ...SETTINGS],
  }
}
