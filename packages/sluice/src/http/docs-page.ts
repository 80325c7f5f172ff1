/** The parts of an OpenAPI document that the page shows. */
interface Document {
  info: { title: string; version: string; description?: string }
  paths?: Record<string, unknown>
}

interface Operation {
  summary?: string
  security?: unknown[]
  parameters?: { name: string; in: string; required?: boolean; schema?: Schema; description?: string }[]
  requestBody?: { content: Record<string, { schema: Schema }> }
  responses: Record<string, { description?: string; content?: Record<string, { schema?: Schema }> }>
}

interface Schema {
  title?: string
  type?: string
  format?: string
  enum?: unknown[]
  const?: unknown
  description?: string
  properties?: Record<string, Schema>
  required?: string[]
  items?: Schema
  anyOf?: Schema[]
}

const METHODS = ['get', 'post', 'put', 'patch', 'delete'] as const

/** The page about the API: no script, and every text escaped. */
export function docsPage({ info, paths = {} }: Document, errors: Record<string, { what: string }>): string {
  const calls = Object.entries(paths).flatMap(([path, item]) =>
    METHODS.flatMap((method) => {
      const operation = (item as Record<string, Operation | undefined>)[method]
      return operation ? [call(method, path, operation)] : []
    }),
  )
  const codes = Object.entries(errors).map(([code, { what }]) => row([`<code id="${code}">${code}</code>`, html(what)]))
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${html(info.title)} ${html(info.version)}: HTTP API</title>
<link rel="stylesheet" href="/docs/style.css">
</head>
<body>
<main>
<h1>${html(info.title)} <small>${html(info.version)}</small></h1>
<p>${prose(info.description ?? '')} The same for programs: <a href="/docs/openapi.json">openapi.json</a>.</p>
<pre>curl -X POST -F "file=@large.csv" http://localhost:3002/upload</pre>
${calls.join('\n')}
<h2 id="errors">Codes of errors</h2>
${table(['code', 'what'], codes)}
</main>
</body>
</html>
`
}

function call(
  method: string,
  path: string,
  { summary = '', security, parameters = [], requestBody, responses }: Operation,
): string {
  const given = parameters.map(({ name, in: place, required, schema, description }) =>
    row([
      `<code>${html(name)}</code>${required ? ' *' : ''}`,
      place,
      typeOf(schema),
      prose(description ?? schema?.description ?? ''),
    ]),
  )
  const bodies = Object.entries(requestBody?.content ?? {}).map(([type]) => `<code>${html(type)}</code>`)
  const form = requestBody?.content['multipart/form-data']?.schema
  const answers = Object.entries(responses).map(([status, { description = '', content = {} }]) => {
    const shapes = Object.entries(content).map(
      ([type, { schema }]) => `<code>${html(type)}</code> ${html(schema?.title ?? '')}`,
    )
    return row([status, prose(description), shapes.join('<br>')])
  })
  const shown = Object.entries(responses).flatMap(([status, { content = {} }]) =>
    Number(status) < 300 ? Object.values(content).flatMap(({ schema }) => (schema?.properties ? [schema] : [])) : [],
  )
  return `<section>
<h2><span class="${method}">${method.toUpperCase()}</span> <code>${html(path)}</code></h2>
<p>${prose(summary)}${security?.length === 0 ? ' <em>(no key needed)</em>' : ''}</p>
${given.length > 0 ? `<h3>Parameters</h3>${table(['name', 'in', 'type', ''], given)}` : ''}
${bodies.length > 0 ? `<h3>Body</h3><p>${bodies.join(', ')}</p>` : ''}
${form ? `<details><summary>Fields of the form</summary>${properties(form)}</details>` : ''}
<h3>Answers</h3>${table(['status', '', 'body'], answers)}
${shown.map((schema) => `<details><summary>${html(schema.title ?? 'Body')}</summary>${properties(schema)}</details>`).join('')}
</section>`
}

function properties({ properties: entries = {}, required = [] }: Schema): string {
  const rows = Object.entries(entries).map(([name, schema]) =>
    row([
      `<code>${html(name)}</code>${required.includes(name) ? ' *' : ''}`,
      typeOf(schema),
      prose(schema.description ?? ''),
    ]),
  )
  return table(['name', 'type', ''], rows)
}

function typeOf(schema: Schema = {}): string {
  const { type, format, enum: words, items, anyOf, title, const: only } = schema
  if (words) return words.map((one) => `<code>${html(String(one))}</code>`).join(' ')
  if (only !== undefined) return `<code>${html(String(only))}</code>`
  if (anyOf) return anyOf.map(typeOf).join(' or ')
  if (items) return `list of ${typeOf(items)}`
  return html(title ?? format ?? type ?? '')
}

function table(head: string[], rows: string[]): string {
  return `<div class="wide"><table><thead><tr>${head.map((cell) => `<th>${cell}</th>`).join('')}</tr></thead><tbody>${rows.join('')}</tbody></table></div>`
}

function row(cells: string[]): string {
  return `<tr>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`
}

/** Text with `code` in it. */
function prose(text: string): string {
  return html(text).replaceAll(/`([^`]*)`/g, '<code>$1</code>')
}

function html(text: string): string {
  return text.replaceAll(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`)
}

export const STYLE = `:root { color-scheme: light dark; --edge: color-mix(in srgb, currentColor 18%, transparent); --mark: #0a6ebd }
@media (prefers-color-scheme: dark) { :root { --mark: #6db7f2 } }
body { margin: 0; font: 16px/1.5 system-ui, sans-serif; background: Canvas; color: CanvasText }
main { max-width: 60rem; margin: 0 auto; padding: 1.5rem 1rem 4rem }
section { border-top: 1px solid var(--edge); margin-top: 2.5rem }
h1 small { font-weight: 400; font-size: 1rem; opacity: .75 }
h2 { font-size: 1.2rem; margin: 1.5rem 0 .5rem }
h2 span { font: 600 .8rem/1 ui-monospace, monospace; border: 1px solid; border-radius: .3rem; padding: .2rem .4rem; color: var(--mark) }
h3 { font-size: 1rem; margin: 1rem 0 .25rem }
a { color: var(--mark) }
code, pre { font-family: ui-monospace, monospace; font-size: .9em }
pre { padding: .75rem 1rem; border: 1px solid var(--edge); border-radius: .4rem; overflow-x: auto }
.wide { overflow-x: auto }
table { border-collapse: collapse; width: 100%; font-size: .92rem }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid var(--edge) }
summary { cursor: pointer; margin: .5rem 0; color: var(--mark) }
`
