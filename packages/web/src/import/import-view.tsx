import { useCallback, useEffect, useState } from 'react'
import { RecentJobs } from '../jobs/recent-jobs.tsx'
import { focusContent } from '../route.ts'
import { texts } from '../texts.ts'
import { DropZone } from './drop-zone.tsx'
import { FileView } from './file-view.tsx'

/** The first view: a place for a file, then what is in it. */
export function ImportView() {
  const [file, setFile] = useState<File>()
  const take = useCallback((next?: File) => {
    setFile(next)
    focusContent()
  }, [])
  useEffect(() => {
    document.title = file ? `${file.name} · ${texts.product}` : texts.product
  }, [file])
  if (file) return <FileView key={`${file.name}${file.lastModified}`} file={file} change={() => take()} />
  return (
    <div className="welcome">
      <h1>{texts.drop.title}</h1>
      <p className="lead">{texts.drop.lead}</p>
      <DropZone take={take} />
      <RecentJobs />
    </div>
  )
}
