# SPDX-License-Identifier: Apache-2.0
"""What benchmarks/kernel.py measures with: samples, fio, the contestants, the tables.

The parts (data, control, isolation) run inside the virtual machine and import nothing but the
standard library; each writes a line of JSON a sample, which the host reads while it goes on.
"""
