import CMalloc

/// What glibc keeps of memory that was freed, for later, instead of giving it back: by default up to sixteen heaps on two cores, and in
/// each as much as the largest piece that was ever freed.
package enum Heap {
    /// For a daemon's lifetime; before it has many threads. mallopt(3).
    package static func giveBack() {
        mallopt(M_ARENA_MAX, CInt(Limits.Memory.heaps))
        mallopt(M_TRIM_THRESHOLD, CInt(Limits.Memory.freeAtEnd))
        mallopt(M_TOP_PAD, CInt(Limits.Memory.asked))
    }
}
