import type { TableSchema } from '@sluice/engine'

/** The schema of the generated file. */
const CUSTOMER_SCHEMA: TableSchema = {
  fields: [
    { name: 'id', type: 'integer', constraints: { required: true, minimum: 1 } },
    { name: 'customer_code', type: 'uuid' },
    { name: 'first_name', type: 'string', constraints: { maxLength: 100 } },
    { name: 'last_name', type: 'string', constraints: { maxLength: 100 } },
    { name: 'email', type: 'string', format: 'email', transform: ['trim', 'lowercase'] },
    { name: 'phone', type: 'string', constraints: { maxLength: 30 } },
    { name: 'signup_date', type: 'date', format: ['%Y-%m-%d', '%m/%d/%Y'] },
    { name: 'amount', type: 'number' },
    { name: 'country', type: 'string', constraints: { maxLength: 2 } },
    { name: 'note', type: 'string' },
    { name: 'active', type: 'boolean' },
  ],
  primaryKey: 'id',
}

/** The schema as a file: one field a line. */
export function customerSchemaText(): string {
  const { fields, ...rest } = CUSTOMER_SCHEMA
  const entries = Object.entries(rest).map(([name, value]) => `,\n  ${JSON.stringify(name)}: ${oneLine(value)}`)
  return `{\n  "fields": [\n    ${fields.map(oneLine).join(',\n    ')}\n  ]${entries.join('')}\n}\n`
}

function oneLine(value: unknown): string {
  return JSON.stringify(value, null, 1).replaceAll(/\n */g, ' ')
}
