import type { Field } from './field.ts'
import { parseField } from './parse-field.ts'
import { defined, jsonReader } from './read-json.ts'

/**
 * A Frictionless Table Schema (https://datapackage.org/standard/table-schema/), as far as sluice uses it, with the
 * additions that its fields name. Columns match by name, so the order of the fields does not matter.
 */
export interface TableSchema {
  fields: Field[]
  /** Unquoted cells that are NULL. Default: only the empty one. */
  missingValues?: string[]
  /** Name or names of fields. */
  primaryKey?: string | string[]
  /** Lists of names of fields. */
  uniqueKeys?: string[][]
}

/**
 * Checks a schema that came from a user and returns what sluice uses of it; other keys are ignored, as the standard says.
 *
 * @param value a parsed JSON document, or the object given to `load`
 * @param document how messages name it, e.g. its path; default `schema`
 * @throws SluiceError SLUICE_SCHEMA with the path of the value that is wrong, what it is, and what is allowed
 */
export function parseTableSchema(value: unknown, document = 'schema'): TableSchema {
  const read = jsonReader('SLUICE_SCHEMA', document)
  const root = read.object('', value)
  const fields = read.list('fields', root.get('fields'), 'a list of fields', (path, one) => parseField(read, path, one))
  if (fields === undefined || fields.length === 0)
    return read.wrong('fields', root.get('fields'), 'a list of one field or more')
  const names = new Set<string>()
  for (const [index, { name }] of fields.entries()) {
    if (names.has(name)) read.wrong(`fields[${index}].name`, name, 'a name that no other field has')
    names.add(name)
  }
  const fieldName = (path: string, one: unknown) => {
    const name = read.string(path, one)
    return name !== undefined && names.has(name) ? name : read.wrong(path, one, 'the name of a field')
  }
  const key = (path: string, one: unknown) => {
    const list = read.list(path, one, 'a list of names of fields', fieldName)
    if (list && (list.length === 0 || new Set(list).size < list.length))
      read.wrong(path, one, 'a list of different names of fields')
    return list
  }
  const primaryKey = root.get('primaryKey')
  const missing = (path: string, one: unknown) =>
    typeof one === 'string'
      ? one
      : (read.string(`${path}.value`, read.object(path, one).get('value')) ?? read.wrong(path, one, 'a string'))
  return defined<TableSchema>({
    fields,
    missingValues: read.list('missingValues', root.get('missingValues'), 'a list of strings', missing),
    primaryKey: key('primaryKey', typeof primaryKey === 'string' ? [primaryKey] : primaryKey),
    uniqueKeys: read.list(
      'uniqueKeys',
      root.get('uniqueKeys'),
      'a list of lists of names of fields',
      (path, one) => key(path, one) ?? read.wrong(path, one, 'a list of names of fields'),
    ),
  })
}

/** A schema as the text of a file, indented by two spaces. */
export function emitTableSchema(schema: TableSchema): string {
  return `${JSON.stringify(schema, null, 2)}\n`
}
