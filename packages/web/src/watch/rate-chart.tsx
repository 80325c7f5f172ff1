import { useEffect, useRef } from 'react'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import { count } from '../format.ts'
import { texts } from '../texts.ts'

const HEIGHT = 176

/** Records a second over time. */
export function RateChart({ at, rate }: { at: number[]; rate: number[] }) {
  const box = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot>(null)

  useEffect(() => {
    const place = box.current!
    const style = getComputedStyle(place)
    const [ink, line, fill] = ['--ink-3', '--accent', '--accent-wash'].map((name) => style.getPropertyValue(name))
    const font = `11px ${style.fontFamily}`
    const axis = {
      stroke: ink!,
      font,
      ticks: { show: false },
      grid: { stroke: style.getPropertyValue('--line'), width: 1 },
    }
    const size = (): number => Math.max(200, place.clientWidth)
    const made = new uPlot(
      {
        width: size(),
        height: HEIGHT,
        legend: { show: false },
        cursor: { show: false },
        padding: [8, 4, 0, 0],
        scales: { x: { time: false }, y: { range: (_plot, _min, max) => [0, Math.max(10, (max || 1) * 1.15)] } },
        axes: [
          {
            ...axis,
            grid: { show: false },
            values: (_plot, ticks) => ticks.map((one) => `${Math.round(one)} s`),
            incrs: [1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600],
            size: 24,
          },
          { ...axis, values: (_plot, ticks) => ticks.map((one) => count(one)), size: 62, space: 34 },
        ],
        series: [{}, { stroke: line!, fill: fill!, width: 2, points: { show: false } }],
      },
      [[], []],
      place,
    )
    plot.current = made
    const watcher = new ResizeObserver(() => made.setSize({ width: size(), height: HEIGHT }))
    watcher.observe(place)
    return () => {
      watcher.disconnect()
      made.destroy()
    }
  }, [])

  useEffect(() => {
    const start = at[0] ?? 0
    plot.current?.setData([at.map((time) => time - start), rate])
  }, [at, rate])

  const last = Math.round(rate.at(-1) ?? 0)
  return <div ref={box} className="chart" role="img" aria-label={`${texts.watch.chart}: ${count(last)}`} />
}
