import Glibc
import Testing

@testable import Kernel

@Suite struct LivingThreadTests {
    @Test func `what has ended and was not waited for does not exist, though its number does`() throws {
        var pid: pid_t = 0
        var words: [UnsafeMutablePointer<CChar>?] = [strdup("true"), nil]
        defer { free(words[0]) }
        try #require(posix_spawn(&pid, "/bin/true", nil, nil, &words, nil) == 0)
        var told = siginfo_t()
        #expect(waitid(P_PID, id_t(pid), &told, WEXITED | WNOWAIT) == 0)
        #expect(LiveProcess.startTicks(pid: pid) != nil)
        #expect(!LivingThread.exists(in: pid))
        #expect(waitpid(pid, nil, 0) == pid)
        #expect(LiveProcess.startTicks(pid: pid) == nil)
        #expect(LivingThread.exists(in: getpid()))
    }
}
