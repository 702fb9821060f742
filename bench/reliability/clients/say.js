// What the clients of bench/reliability say: a line of JSON for each thing that
// a reader saw. The process ends when its standard input does.
export function say(reader, kind, text = '') {
  process.stdout.write(JSON.stringify({ reader, kind, text }) + '\n')
}

process.stdin.on('end', () => process.exit(0)).resume()

// readers calls open(reader, channel) for as many as the command line says.
export function readers(open) {
  const [url, count, channels] = process.argv.slice(2)
  for (let i = 0; i < count; i++) open(i, `c${i % channels}`, url)
}
