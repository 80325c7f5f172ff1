import { globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = dirname(fileURLToPath(import.meta.resolve('../../../package.json')))

/** A page of the documentation, by its path from the root. */
export function page(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8')
}

/** Paths of all pages, from the root. */
export function pages(): string[] {
  return globSync(['*.md', 'docs/**/*.md'], { cwd: ROOT }).sort()
}

/** The text under a heading, up to the next one of its level or above. */
export function section(text: string, heading: string): string {
  const level = /^#+/.exec(heading)![0].length
  const lines = withoutCode(text).split('\n')
  const from = lines.indexOf(heading)
  if (from === -1) throw new Error(`there is no heading "${heading}"`)
  const length = lines.slice(from + 1).findIndex((line) => new RegExp(`^#{1,${level}} `).test(line))
  return lines.slice(from + 1, length === -1 ? undefined : from + 1 + length).join('\n')
}

/** The cells of every table row, without heads and rules. */
export function tableRows(text: string): string[][] {
  const lines = withoutCode(text).split('\n')
  const isRow = (line: string | undefined) => line?.startsWith('|') === true
  const rows = lines.filter((line, i) => isRow(line) && !/^\| ?---/.test(line) && !/^\| ?---/.test(lines[i + 1] ?? ''))
  return rows.map((row) =>
    row
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim()),
  )
}

/** What stands between back-quotes. */
export function quoted(text: string): string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, word]) => word!)
}

/** The blocks of code in a language. */
export function blocks(text: string, language: string): string[] {
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gm'))].map(([, code]) => code!)
}

/** Where the links of a page lead to; images too. */
export function links(text: string): string[] {
  return [...withoutCode(text).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target!)
}

/** The anchors of a page's headings, as GitHub makes them. */
export function anchors(text: string): string[] {
  const headings = withoutCode(text).matchAll(/^#+ (.*)$/gm)
  return [...headings].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}_ -]/gu, '')
      .replaceAll(' ', '-'),
  )
}

function withoutCode(text: string): string {
  return text.replaceAll(/^```[\s\S]*?^```$/gm, '')
}
