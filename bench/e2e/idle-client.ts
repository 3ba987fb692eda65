// Opens connections, makes one request on each, and keeps them. For each number on standard input: so many more;
// answers with the number when all of them have got their response.
//
//   node idle-client.js HOST PORT PATH
import { connect } from 'node:net'
import { createInterface } from 'node:readline'

const AT_A_TIME = 32
const [host = '', port = '', path = ''] = process.argv.slice(2)
const request = `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`

function openOne(): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), host)
    socket.once('connect', () => socket.write(request))
    socket.once('data', (bytes: Buffer) => {
      if (bytes.subarray(0, 15).toString() !== 'HTTP/1.1 200 OK') reject(new Error(bytes.toString()))
      resolve()
    })
    socket.once('error', reject)
    socket.once('end', () => reject(new Error('closed by the server')))
  })
}

for await (const line of createInterface({ input: process.stdin })) {
  const count = Number(line)
  for (let opened = 0; opened < count; opened += AT_A_TIME) {
    await Promise.all(Array.from({ length: Math.min(AT_A_TIME, count - opened) }, openOne))
  }
  console.log(count)
}
process.exit(0)
