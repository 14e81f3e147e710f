// SentencePiece's unigram tokenizer, ids and rounding as in the `sentencepiece` package.
// A port of albert_tf/text/unigram.py and charsmap.py. Text is an array of code points.

package albert

import java.nio.ByteBuffer
import java.nio.ByteOrder

const val WORD_START = 0x2581 // "▁"
const val SPACE = 0x20
private const val NORMAL = 1
private const val UNKNOWN = 2
private const val USER_DEFINED = 4

// What the package takes off the worst score for a character that is no piece.
private const val UNKNOWN_PENALTY = 10.0

/** A piece, and the code points of the normalized text that it covers, end exclusive. */
class Piece(val id: Int, val start: Int, val end: Int)

/** Normalized text; and for each of its code points, and its end, where that begins in the text. */
class Normalized(val points: IntArray, val places: IntArray)

/** Cuts text into the pieces of a `.model` file. */
class UnigramModel(proto: ByteArray) {
    val pieces: List<String>
    val ids: Map<String, Int>
    val unknownId: Int
    private val types: List<Int>
    private val charsmap: Charsmap
    private val squeezes: Boolean
    private val scores = HashMap<String, Double>()
    private val longest: Int
    private val unknownScore: Float

    init {
        val entries = fieldsOf(proto).filter { it.number == 1 }.map { fieldsOf(it.bytes) }
        pieces = entries.map { fields -> String(last(fields, 1)!!.bytes, Charsets.UTF_8) }
        types = entries.map { fields -> last(fields, 3)?.value?.toInt() ?: NORMAL }
        val given = entries.map { fields -> last(fields, 2)?.float ?: 0f }
        ids = pieces.withIndex().associate { it.value to it.index }
        unknownId = types.indexOf(UNKNOWN)
        require(unknownId >= 0) { "The vocabulary must be a SentencePiece .model file." }
        val normalizer = fieldsOf(last(fieldsOf(proto), 3)?.bytes ?: ByteArray(0))
        squeezes = last(normalizer, 4)?.value != 0L
        var best = java.lang.Float.MIN_NORMAL.toDouble()
        var worst = if (NORMAL in types) Double.MAX_VALUE else 0.0
        for (id in pieces.indices) if (types[id] == NORMAL) {
            best = maxOf(best, given[id].toDouble())
            worst = minOf(worst, given[id].toDouble())
        }
        unknownScore = (worst - UNKNOWN_PENALTY).toFloat()
        val symbols = ArrayList<ByteArray>()
        for (id in pieces.indices) {
            if (types[id] == NORMAL) scores[pieces[id]] = given[id].toDouble()
            if (types[id] == USER_DEFINED) {
                // A symbol of the user is liked so well that it is always taken.
                val symbol = pieces[id].toByteArray(Charsets.UTF_8)
                scores[pieces[id]] = symbol.size * best - 0.1
                symbols.add(symbol)
            }
        }
        longest = scores.keys.fold(1) { most, piece -> maxOf(most, pointsOf(piece).size) }
        charsmap = Charsmap(last(normalizer, 2)?.bytes ?: ByteArray(0), symbols)
    }

    fun isNormal(id: Int) = types[id] == NORMAL

    /** Applies the rules of the file; spaces become "▁", one stands in front. */
    fun normalize(text: IntArray): Normalized {
        val chunks = charsmap.chunks(text)
        var first = 0
        while (squeezes && first < chunks.size && chunks[first].isSpace()) first++
        if (first == chunks.size) return Normalized(IntArray(0), intArrayOf(text.size))
        val points = arrayListOf(WORD_START)
        val places = arrayListOf(chunks[first].begin)
        var afterSpace = squeezes
        for (chunk in chunks.drop(first)) {
            var becomes = chunk.becomes.toList()
            if (afterSpace) becomes = becomes.dropWhile { it == SPACE }
            if (becomes.isNotEmpty()) {
                for (point in becomes) {
                    points.add(if (point == SPACE) WORD_START else point)
                    places.add(chunk.begin)
                }
                afterSpace = becomes.last() == SPACE
            }
            afterSpace = afterSpace && squeezes
        }
        places.add(text.size)
        while (squeezes && points.isNotEmpty() && points.last() == WORD_START) {
            points.removeAt(points.size - 1)
            places.removeAt(places.size - 1)
        }
        return Normalized(points.toIntArray(), places.toIntArray())
    }

    /** Cuts normalized text into the likeliest pieces; of equal scores the first found wins. */
    fun cut(normalized: IntArray): List<Piece> {
        val size = normalized.size
        val best = FloatArray(size + 1)
        val reached = BooleanArray(size + 1)
        val cameFrom = arrayOfNulls<Piece>(size + 1)
        reached[0] = true
        for (start in 0 until size) {
            var single = false
            for (end in start + 1..minOf(size, start + longest)) {
                val piece = String(normalized, start, end - start)
                val own = scores[piece] ?: continue
                val id = ids.getValue(piece)
                single = single || end == start + 1
                // Symbols of the user are added in 64 bits, pieces in 32.
                var score = own + best[start].toDouble()
                if (types[id] == NORMAL) score = score.toFloat().toDouble()
                if (!reached[end] || score > best[end]) {
                    best[end] = score.toFloat()
                    reached[end] = true
                    cameFrom[end] = Piece(id, start, end)
                }
            }
            if (!single) {
                val score = (unknownScore.toDouble() + best[start].toDouble()).toFloat()
                if (!reached[start + 1] || score > best[start + 1]) {
                    best[start + 1] = score
                    reached[start + 1] = true
                    cameFrom[start + 1] = Piece(unknownId, start, start + 1)
                }
            }
        }
        return walkedBack(cameFrom)
    }

    private fun walkedBack(cameFrom: Array<Piece?>): List<Piece> {
        val found = ArrayList<Piece>()
        var end = cameFrom.size - 1
        while (end > 0) {
            val piece = cameFrom[end]!!
            val next = found.lastOrNull()
            if (piece.id == unknownId && next != null && next.id == unknownId) {
                // A run of unknown characters is one piece.
                found[found.size - 1] = Piece(unknownId, piece.start, next.end)
            } else {
                found.add(piece)
            }
            end = piece.start
        }
        return found.reversed()
    }
}

/** The normalization rules: a double array trie (Darts-clone) over UTF-8, then their results. */
private class Charsmap(content: ByteArray, private val symbols: List<ByteArray>) {
    class Chunk(val becomes: IntArray, val begin: Int) {
        fun isSpace() = becomes.size == 1 && becomes[0] == SPACE
    }

    private val units: IntArray
    private val results: ByteArray

    init {
        val buffer = ByteBuffer.wrap(content).order(ByteOrder.LITTLE_ENDIAN)
        val size = if (content.isEmpty()) 0 else buffer.getInt()
        units = IntArray(size / 4) { buffer.getInt() }
        results = if (content.isEmpty()) content else content.copyOfRange(4 + size, content.size)
    }

    /** Divides a text into the parts that rules apply to. */
    fun chunks(text: IntArray): List<Chunk> {
        val bytes = String(text, 0, text.size).toByteArray(Charsets.UTF_8)
        val found = ArrayList<Chunk>()
        var place = 0
        var number = 0
        while (place < bytes.size) {
            var size = symbols.filter { it.isAt(bytes, place) }.fold(0) { n, s -> maxOf(n, s.size) }
            var becomes: IntArray? = null
            if (size == 0) {
                val (value, length) = longestRule(bytes, place)
                size = length
                if (length > 0) becomes = result(value)
            }
            if (size == 0) size = numBytes(bytes[place].toInt() and 0xFF)
            val part = pointsOf(String(bytes, place, size, Charsets.UTF_8))
            found.add(Chunk(becomes ?: part, number))
            place += size
            number += part.size
        }
        return found
    }

    private fun longestRule(bytes: ByteArray, start: Int): Pair<Int, Int> {
        var value = 0
        var size = 0
        if (units.isEmpty()) return Pair(0, 0)
        var node = offset(units[0])
        for (place in start until bytes.size) {
            val byte = bytes[place].toInt() and 0xFF
            node = node xor byte
            val unit = units[node]
            if (unit and 0x800000FF.toInt() != byte) break
            node = node xor offset(unit)
            if (unit ushr 8 and 1 == 1) {
                value = units[node] and 0x7FFFFFFF
                size = place + 1 - start
            }
        }
        return Pair(value, size)
    }

    private fun result(start: Int): IntArray {
        var end = start
        while (results[end] != 0.toByte()) end++
        return pointsOf(String(results, start, end - start, Charsets.UTF_8))
    }

    private fun offset(unit: Int) = unit ushr 10 shl (unit and 0x200 ushr 6)

    private fun numBytes(first: Int) =
        if (first < 0x80) 1 else if (first < 0xE0) 2 else if (first < 0xF0) 3 else 4

    private fun ByteArray.isAt(bytes: ByteArray, place: Int) =
        place + size <= bytes.size && indices.all { this[it] == bytes[place + it] }
}

/** The code points of a text. */
fun pointsOf(text: String): IntArray = text.codePoints().toArray()

private class Field(val number: Int, val value: Long, val bytes: ByteArray) {
    val float: Float
        get() = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).getFloat()
}

private fun last(fields: List<Field>, number: Int) = fields.lastOrNull { it.number == number }

/** The fields of a protobuf message. */
private fun fieldsOf(content: ByteArray): List<Field> {
    var place = 0

    fun varint(): Long {
        var value = 0L
        var shift = 0
        while (true) {
            val byte = content[place++].toLong()
            value = value or (byte and 127 shl shift)
            shift += 7
            if (byte >= 0) return value
        }
    }

    val found = ArrayList<Field>()
    while (place < content.size) {
        val key = varint().toInt()
        if (key and 7 == 0) {
            found.add(Field(key ushr 3, varint(), ByteArray(0)))
            continue
        }
        val size = when (key and 7) {
            1 -> 8
            2 -> varint().toInt()
            5 -> 4
            else -> throw IllegalArgumentException("The vocabulary is no SentencePiece file.")
        }
        found.add(Field(key ushr 3, 0, content.copyOfRange(place, place + size)))
        place += size
    }
    return found
}
