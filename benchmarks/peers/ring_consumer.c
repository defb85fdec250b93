// SPDX-License-Identifier: Apache-2.0
/*
 * The smallest consumer of a TCMU ring that serves a disk from a file: the limit of what a runner
 * can reach. One thread, blocking system calls, no checks beyond what it needs to work, nothing of
 * a SCSI disk but what Linux asks when it finds one. Not to be used for data that matters.
 *
 * On a device of the kernel (subtype and path in its dev_config do not matter; nothing else may
 * have it open), one process a device, until it is killed or the device is removed:
 *
 *     gcc -O2 -static -o ring_consumer ring_consumer.c
 *     ring_consumer /dev/uioN FILE [SPIN_US [BLOCK_BYTES]]
 *
 * FILE has the device's size. SPIN_US (0): how long to look at cmd_head before it blocks.
 * BLOCK_BYTES (512) is the device's hw_block_size. It prints "serving" once it answers.
 *
 * On a ring in memory (lioshell.kernel.sim.harness.RingHarness), as a library for ctypes; see
 * benchmarks/ring_consumer.py, which builds both:
 *
 *     gcc -O2 -shared -fPIC -o ring_consumer.so ring_consumer.c
 *     double ring_consumer_turn(region, file_fd, event_fd, done_fd, wakeups)
 *
 * takes one wake-up (or none: wakeups 0), answers what is in the ring, notifies once, and returns
 * how many seconds that took.
 */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* It brings a struct iovec of its own, of the same shape as libc's. */
#define iovec kernel_iovec
#include <linux/target_core_user.h>
#undef iovec

#define MOST_IOVS 1024
#define CHECK_CONDITION 2

struct disk {
	char *region;
	int file;
	uint64_t blocks;
	uint32_t block_bytes;
};

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec * 1e-9;
}

static uint32_t get_head(struct tcmu_mailbox *mailbox)
{
	return __atomic_load_n(&mailbox->cmd_head, __ATOMIC_ACQUIRE);
}

static uint32_t be32(const uint8_t *from)
{
	uint32_t value;

	memcpy(&value, from, 4);
	return be32toh(value);
}

static uint64_t be64(const uint8_t *from)
{
	uint64_t value;

	memcpy(&value, from, 8);
	return be64toh(value);
}

static void put_be32(uint8_t *to, uint32_t value)
{
	value = htobe32(value);
	memcpy(to, &value, 4);
}

/* Copy an answer into data-in and zero the rest of its buffer; these answers need one only. */
static void answer(struct disk *disk, struct tcmu_cmd_entry *entry, const void *data, size_t size)
{
	size_t length;
	char *to;

	if (entry->req.iov_cnt == 0)
		return;
	length = entry->req.iov[0].iov_len;
	to = disk->region + (uintptr_t)entry->req.iov[0].iov_base;
	memset(to, 0, length);
	memcpy(to, data, size < length ? size : length);
}

static int inquiry(struct disk *disk, struct tcmu_cmd_entry *entry, const uint8_t *cdb)
{
	static const uint8_t standard[36] = "\0\0\5\2\37\0\0\2LIOSHELLring consumer   1.0 ";
	static const uint8_t pages[] = { 0, 0, 0, 2, 0, 0x83 };
	uint8_t identifier[16] = { 0, 0x83, 0, 12, 1, 3, 0, 8, 0x30 };
	struct stat status;

	if (!(cdb[1] & 1)) {
		answer(disk, entry, standard, sizeof standard);
	} else if (cdb[2] == 0) {
		answer(disk, entry, pages, sizeof pages);
	} else if (cdb[2] == 0x83) {
		fstat(disk->file, &status);
		put_be32(identifier + 12, (uint32_t)status.st_ino);
		answer(disk, entry, identifier, sizeof identifier);
	} else {
		return 0;
	}
	return 1;
}

/* Everything but READ and WRITE; false: an illegal request. */
static int other(struct disk *disk, struct tcmu_cmd_entry *entry, const uint8_t *cdb)
{
	uint8_t data[32] = { 0 };
	uint64_t last = disk->blocks - 1;

	switch (cdb[0]) {
	case 0x00: /* TEST UNIT READY */
	case 0x1b: /* START STOP UNIT */
		return 1;
	case 0x12:
		return inquiry(disk, entry, cdb);
	case 0x1a: /* MODE SENSE (6): a header alone */
		data[0] = 3;
		answer(disk, entry, data, 4);
		return 1;
	case 0x5a: /* MODE SENSE (10) */
		data[1] = 6;
		answer(disk, entry, data, 8);
		return 1;
	case 0x25: /* READ CAPACITY (10) */
		put_be32(data, last > UINT32_MAX ? UINT32_MAX : (uint32_t)last);
		put_be32(data + 4, disk->block_bytes);
		answer(disk, entry, data, 8);
		return 1;
	case 0x9e: /* READ CAPACITY (16) */
		if ((cdb[1] & 0x1f) != 0x10)
			return 0;
		put_be32(data, (uint32_t)(last >> 32));
		put_be32(data + 4, (uint32_t)last);
		put_be32(data + 8, disk->block_bytes);
		answer(disk, entry, data, 32);
		return 1;
	case 0x35: /* SYNCHRONIZE CACHE (10), (16) */
	case 0x91:
		return fdatasync(disk->file) == 0;
	default:
		return 0;
	}
}

static int transfer(struct disk *disk, struct tcmu_cmd_entry *entry, uint64_t lba, int writing)
{
	static struct iovec iov[MOST_IOVS];
	off_t offset = (off_t)(lba * disk->block_bytes);
	uint32_t count = entry->req.iov_cnt;
	size_t size = 0;
	uint32_t i;
	ssize_t moved;

	if (count > MOST_IOVS)
		return 0;
	for (i = 0; i < count; i++) {
		iov[i].iov_base = disk->region + (uintptr_t)entry->req.iov[i].iov_base;
		iov[i].iov_len = entry->req.iov[i].iov_len;
		size += iov[i].iov_len;
	}
	moved = writing ? pwritev(disk->file, iov, (int)count, offset)
			: preadv(disk->file, iov, (int)count, offset);
	return moved == (ssize_t)size;
}

static int execute(struct disk *disk, struct tcmu_cmd_entry *entry)
{
	const uint8_t *cdb = (uint8_t *)disk->region + entry->req.cdb_off;

	switch (cdb[0]) {
	case 0x28:
		return transfer(disk, entry, be32(cdb + 2), 0);
	case 0x2a:
		return transfer(disk, entry, be32(cdb + 2), 1);
	case 0x88:
		return transfer(disk, entry, be64(cdb + 2), 0);
	case 0x8a:
		return transfer(disk, entry, be64(cdb + 2), 1);
	case 0x08:
		return transfer(disk, entry, be32(cdb) & 0x1fffff, 0);
	case 0x0a:
		return transfer(disk, entry, be32(cdb) & 0x1fffff, 1);
	default:
		return other(disk, entry, cdb);
	}
}

/* Answer what is in the ring; return how many commands that were. */
static int drain(struct disk *disk)
{
	static const char sense[18] = { 0x70, 0, 5, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x20 };
	struct tcmu_mailbox *mailbox = (struct tcmu_mailbox *)disk->region;
	uint32_t tail = mailbox->cmd_tail;
	int done = 0;

	while (tail != get_head(mailbox)) {
		struct tcmu_cmd_entry *entry =
			(struct tcmu_cmd_entry *)(disk->region + mailbox->cmdr_off + tail);

		if (tcmu_hdr_get_op(entry->hdr.len_op) == TCMU_OP_CMD) {
			/* The answer overlays the request, so nothing is written before it is done. */
			int good = execute(disk, entry);

			entry->rsp.scsi_status = good ? 0 : CHECK_CONDITION;
			if (!good) {
				memset(entry->rsp.sense_buffer, 0, TCMU_SENSE_BUFFERSIZE);
				memcpy(entry->rsp.sense_buffer, sense, sizeof sense);
			}
			done++;
		}
		tail = (tail + tcmu_hdr_get_len(entry->hdr.len_op)) % mailbox->cmdr_size;
		__atomic_store_n(&mailbox->cmd_tail, tail, __ATOMIC_RELEASE);
	}
	return done;
}

double ring_consumer_turn(char *region, int file, int event, int done, int wakeups)
{
	struct disk disk = { .region = region, .file = file, .blocks = 0, .block_bytes = 512 };
	double start = now();
	uint64_t count = 1;

	if (wakeups && read(event, &count, sizeof count) != sizeof count)
		return -1;
	drain(&disk);
	if (write(done, &count, sizeof count) != sizeof count)
		return -1;
	return now() - start;
}

static size_t map_size(const char *node)
{
	const char *name = strrchr(node, '/');
	char path[128];
	char text[32] = "";
	int fd;

	snprintf(path, sizeof path, "/sys/class/uio/%s/maps/map0/size", name ? name + 1 : node);
	fd = open(path, O_RDONLY);
	if (fd < 0 || read(fd, text, sizeof text - 1) < 0) {
		perror(path);
		exit(1);
	}
	close(fd);
	return strtoull(text, NULL, 16);
}

static int opened(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		perror(path);
		exit(1);
	}
	return fd;
}

int main(int argc, char **argv)
{
	struct disk disk;
	struct stat status;
	double spin_s;
	int uio;

	if (argc < 3) {
		fprintf(stderr, "usage: %s /dev/uioN FILE [SPIN_US [BLOCK_BYTES]]\n", argv[0]);
		return 2;
	}
	spin_s = argc > 3 ? atof(argv[3]) * 1e-6 : 0;
	uio = opened(argv[1]);
	disk.file = opened(argv[2]);
	disk.block_bytes = argc > 4 ? (uint32_t)atoi(argv[4]) : 512;
	fstat(disk.file, &status);
	disk.blocks = (uint64_t)status.st_size / disk.block_bytes;
	disk.region = mmap(NULL, map_size(argv[1]), PROT_READ | PROT_WRITE, MAP_SHARED, uio, 0);
	if (disk.region == MAP_FAILED) {
		perror(argv[1]);
		return 1;
	}
	puts("serving");
	fflush(stdout);
	/* What was queued before the file was opened causes no event. */
	for (;;) {
		struct tcmu_mailbox *mailbox = (struct tcmu_mailbox *)disk.region;
		double until;
		int32_t word = 1;

		if (drain(&disk) && write(uio, &word, sizeof word) < 0)
			break;
		if (spin_s > 0) {
			until = now() + spin_s;
			while (mailbox->cmd_tail == get_head(mailbox) && now() < until)
				;
			if (mailbox->cmd_tail != get_head(mailbox))
				continue;
		}
		if (read(uio, &word, sizeof word) != sizeof word)
			break;
	}
	return errno == EIO ? 0 : 1; /* EIO: the device was removed. */
}
