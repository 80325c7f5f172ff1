import { useEffect, useMemo, useState } from 'react'
import type { PreviousUpload } from 'tus-js-client'
import { save } from '../api.ts'
import { readSample, type Sample } from '../file/sample.ts'
import { bytes } from '../format.ts'
import { Notice } from '../parts/notice.tsx'
import { go, paths } from '../route.ts'
import { texts } from '../texts.ts'
import { previousUploads, send } from '../upload/transfers.ts'
import { ColumnsTable } from './columns-table.tsx'
import { DialectView } from './dialect-view.tsx'
import { type Column, look, profileOf, settingsOf, type Target, tableOf } from './plan.ts'
import { PreviewTable } from './preview-table.tsx'
import { TargetForm } from './target-form.tsx'
import { TrialRun } from './trial-run.tsx'

type Said = { delimiter?: string; header?: boolean; encoding?: string }

/** What is in a file, how it is to be read, and where it is to go. */
export function FileView({ file, change }: { file: File; change: () => void }) {
  const [said, setSaid] = useState<Said>({})
  const [sample, setSample] = useState<Sample>()
  const [columns, setColumns] = useState<Column[]>([])
  const [trouble, setTrouble] = useState('')
  const [starting, setStarting] = useState(false)
  const [previous, setPrevious] = useState<PreviousUpload>()
  const [target, setTarget] = useState<Target>({
    table: tableOf(file.name),
    profile: '',
    key: [],
    onConflict: 'reject',
    dedupe: 'none',
    replace: false,
    atomic: false,
    maxErrors: '',
  })

  const { encoding: saidEncoding, delimiter, header } = said
  useEffect(() => {
    readSample(file, saidEncoding).then(setSample, (error: Error) =>
      setTrouble(`${texts.file.unreadable}: ${error.message}`),
    )
  }, [file, saidEncoding])
  useEffect(() => {
    previousUploads(file).then(
      ([first]) => setPrevious(first),
      () => undefined,
    )
  }, [file])

  const seen = useMemo(
    () =>
      sample && sample.compression !== 'zstd'
        ? look(sample, { ...(delimiter !== undefined && { delimiter }), ...(header !== undefined && { header }) })
        : undefined,
    [sample, delimiter, header],
  )
  useEffect(() => setColumns(seen?.columns ?? []), [seen])
  // What was just seen anew is not decided by what was said of something else.
  const view = useMemo(
    () => seen && { ...seen, columns: columns.length === seen.columns.length ? columns : seen.columns },
    [seen, columns],
  )
  const encoding = sample?.encoding ?? 'utf-8'
  const settings = useMemo(() => settingsOf(view, encoding, target), [view, encoding, target])

  const start = async (from?: PreviousUpload): Promise<void> => {
    setStarting(true)
    setTrouble('')
    try {
      go(paths.job(await send(file, settings, from)))
    } catch (error) {
      setTrouble((error as Error).message)
      setStarting(false)
    }
  }
  const edit = (index: number, part: Partial<Column>): void => {
    const old = view!.columns[index]!
    const now = { ...old, ...part }
    setColumns(view!.columns.map((column, i) => (i === index ? now : column)))
    // The key goes by the names of the table: what is renamed stays in it, what is left out does not.
    const key = target.key.flatMap((name) => (name !== old.target ? [name] : now.take ? [now.target] : []))
    setTarget({ ...target, key })
  }
  const saveProfile = (): void => {
    const text = JSON.stringify(profileOf(view, encoding, target), null, 2)
    save(new Blob([`${text}\n`], { type: 'application/json' }), `${target.table || 'profile'}.json`)
  }

  const empty = file.size === 0
  return (
    <div className="file">
      <header className="file-head">
        <div>
          <h1>{file.name}</h1>
          <p className="hint">{bytes(file.size)}</p>
        </div>
        <button type="button" className="button quiet" onClick={change}>
          {texts.file.change}
        </button>
      </header>
      {empty && <Notice tone="bad" title={texts.file.empty} />}
      {previous && (
        <Notice
          tone="calm"
          title={texts.file.before}
          actions={
            <button type="button" className="button primary" disabled={starting} onClick={() => void start(previous)}>
              {texts.file.goOn}
            </button>
          }
        >
          <p>{texts.file.beforeHint}</p>
        </Notice>
      )}
      <div className="file-grid">
        <div className="file-main">
          {!(sample || empty || trouble) && <p className="hint loading">{texts.file.reading}</p>}
          {sample?.compression === 'zstd' && <Notice tone="calm" title={texts.file.noPreview} />}
          {view && sample && !empty && (
            <>
              <DialectView view={view} sample={sample} said={said} say={(part) => setSaid({ ...said, ...part })} />
              <PreviewTable view={view} />
              <ColumnsTable columns={view.columns} edit={edit} />
            </>
          )}
        </div>
        <aside className="file-side">
          <TargetForm
            target={target}
            columns={view?.columns ?? []}
            set={(part) => setTarget({ ...target, ...part })}
            saveProfile={saveProfile}
          />
          {view && !empty && <TrialRun view={view} settings={settings} />}
          {trouble && <Notice tone="bad" title={trouble} />}
          <button
            type="button"
            className="button primary large wide"
            disabled={starting || empty || (target.table.trim() === '' && target.profile.trim() === '')}
            onClick={() => void start()}
          >
            {starting ? texts.dryRun.starting : texts.dryRun.start(file.size)}
          </button>
        </aside>
      </div>
    </div>
  )
}
