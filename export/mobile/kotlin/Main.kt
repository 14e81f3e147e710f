// Tokenizes lines, for the tests of this port: texts are UTF-8 in hexadecimal digits.
//
// java -jar tokenize.jar VOCABULARY LOWERCASE KEEP_ACCENTS [LIMIT WIDTH]
//
// Prints `id:start:end ...` for each line; with LIMIT and WIDTH a row for a line of one text or two.

package albert

import java.io.File

fun main(args: Array<String>) {
    val tokenizer = AlbertTokenizer(File(args[0]).readBytes(), args[1] == "1", args[2] == "1")
    for (line in generateSequence(::readLine)) {
        val texts = line.split("\t").map(::fromHex)
        if (args.size > 3) {
            val row = tokenizer.row(texts[0], texts.getOrNull(1), args[3].toInt(), args[4].toInt())
            println("${row.tokenIds.joinToString(" ")}\t${row.segmentIds.joinToString(" ")}\t${row.length}")
        } else {
            val tokens = tokenizer.tokenize(texts[0])
            println(tokens.joinToString(" ") { "${it.id}:${it.start}:${it.end}" })
        }
    }
}

private fun fromHex(digits: String) =
    String(ByteArray(digits.length / 2) { digits.substring(2 * it, 2 * it + 2).toInt(16).toByte() })
